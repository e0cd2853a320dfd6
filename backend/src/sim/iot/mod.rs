//! The IoT world: sites, zones and devices over bad networks, in virtual time.
