//! Where far away is: cities with their country and place, for payments that no traveller could have made.

/// Name, ISO country, latitude, longitude.
pub(super) const CITIES: [(&str, &str, f64, f64); 12] = [
    ("Lagos", "NG", 6.45, 3.40),
    ("New York", "US", 40.71, -74.01),
    ("São Paulo", "BR", -23.55, -46.63),
    ("Bangkok", "TH", 13.76, 100.50),
    ("Manila", "PH", 14.60, 120.98),
    ("Mexico City", "MX", 19.43, -99.13),
    ("Istanbul", "TR", 41.01, 28.98),
    ("Dubai", "AE", 25.20, 55.27),
    ("Johannesburg", "ZA", -26.20, 28.05),
    ("Mumbai", "IN", 19.08, 72.88),
    ("Tokyo", "JP", 35.68, 139.69),
    ("Toronto", "CA", 43.65, -79.38),
];
/// The south-west corner of the customers' square, near Brussels; a unit of the square is a kilometre.
const HOME: (f64, f64) = (50.4, 3.7);
/// Kilometres in a degree of latitude, and of longitude up there.
const KM_PER_DEGREE: (f64, f64) = (111.2, 70.7);

/// Latitude and longitude of a place in the customers' square.
pub(super) fn position(x: f64, y: f64) -> (f64, f64) {
    (HOME.0 + y / KM_PER_DEGREE.0, HOME.1 + x / KM_PER_DEGREE.1)
}
