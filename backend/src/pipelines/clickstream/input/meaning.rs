//! What the fields of given data say: actions, devices and prices in the words of others.

use crate::sim::clickstream::Action;

/// Endings of what pages are made of.
const PARTS: [&str; 15] =
    [".css", ".js", ".png", ".jpg", ".jpeg", ".gif", ".ico", ".svg", ".webp", ".woff", ".woff2", ".ttf", ".map", ".xbm", ".mpg"];

/// What a request to a web server was.
pub(super) fn action_of_request(method: &str, path: &str, status: u16) -> Action {
    let path = path.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| path.contains(word));
    match method {
        _ if PARTS.iter().any(|part| path.ends_with(part)) => Action::Load,
        "POST" | "PUT" if status < 400 && has(&["checkout", "purchase", "payment", "order"]) => Action::Purchase,
        "POST" | "PUT" if status < 400 && has(&["cart", "basket"]) => Action::AddToCart,
        "POST" | "PUT" | "PATCH" | "DELETE" => Action::Click,
        _ if has(&["/search"]) => Action::Search,
        "GET" => Action::View,
        _ => Action::Load,
    }
}

/// What others call it, whatever the case and the signs between the letters; nothing told is a view.
pub(super) fn action_named(name: &str) -> Result<Action, String> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match plain.as_str() {
        "view" | "pageview" | "page" | "pv" | "productview" | "viewitem" | "viewitemlist" | "viewcart" | "visit" => Ok(Action::View),
        "scroll" => Ok(Action::Scroll),
        "search" | "viewsearchresults" => Ok(Action::Search),
        "like" | "fav" | "favorite" | "favourite" | "wishlist" | "addtowishlist" => Ok(Action::Like),
        "addtocart" | "cart" | "basket" => Ok(Action::AddToCart),
        "purchase" | "buy" | "order" | "transaction" | "checkoutcomplete" => Ok(Action::Purchase),
        "load" | "impression" | "sessionstart" | "firstvisit" | "userengagement" | "viewpromotion" => Ok(Action::Load),
        "click" | "tap" | "selectitem" | "selectpromotion" | "removefromcart" | "begincheckout" | "addpaymentinfo" | "addshippinginfo"
        | "share" | "login" | "signup" | "submit" | "download" | "refund" => Ok(Action::Click),
        "" if name.is_empty() => Ok(Action::View),
        _ => {
            let known = Action::ALL.map(Action::name).join(", ");
            Err(format!("`{name}` is no action, such as {known}; where no field tells it, map none: ?action="))
        }
    }
}

/// With what a user agent's owner looks at pages.
pub(super) fn device_of(agent: &str) -> &'static str {
    let agent = agent.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| agent.contains(word));
    match () {
        () if agent.is_empty() => "unknown",
        () if has(&["bot", "crawl", "spider", "slurp", "curl/", "wget", "python-", "libwww"]) => "bot",
        () if has(&["ipad", "tablet"]) => "tablet",
        () if has(&["mobile", "iphone", "android"]) => "mobile",
        () => "desktop",
    }
}

/// A decimal price in minor units, without binary fractions on the way.
pub(super) fn minor_units(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is no price, such as 12.50");
    let (is_negative, digits) = text.trim().strip_prefix('-').map_or((false, text.trim()), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number =
        digits.bytes().any(|byte| byte.is_ascii_digit()) && (whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(bad());
    }
    let cents: String = fraction.chars().chain("00".chars()).take(2).collect();
    let whole = if whole.is_empty() { Ok(0) } else { whole.parse::<i64>() };
    let minor = whole.ok().and_then(|whole| whole.checked_mul(100)?.checked_add(cents.parse().ok()?)).ok_or_else(bad)?;
    Ok(if is_negative { -minor } else { minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_decimal_or_none() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(minor_units(text).ok(), expect, "{text}");
        check("35.79", Some(3_579));
        check("35", Some(3_500));
        check("35.", Some(3_500));
        check(" .5 ", Some(50));
        check("-0.05", Some(-5));
        check("35.799", Some(3_579));
        for bad in ["", ".", "-", "35,79", "3 5", "EUR 5", "5.x", "--5", "1e3", "NaN", "99999999999999999999"] {
            check(bad, None);
        }
    }

    #[test]
    fn actions_are_known_or_told_as_unknown() {
        let check = |name: &str, expect: Option<Action>| assert_eq!(action_named(name).ok(), expect, "{name}");
        check("", Some(Action::View));
        check("Page View", Some(Action::View));
        check("add_to_cart", Some(Action::AddToCart));
        check("addtocart", Some(Action::AddToCart));
        check("remove_from_cart", Some(Action::Click));
        check("transaction", Some(Action::Purchase));
        for action in Action::ALL {
            check(action.name(), Some(action));
        }
        check("teleport", None);
        check("???", None);
    }
}
