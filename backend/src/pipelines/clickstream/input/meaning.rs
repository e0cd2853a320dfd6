//! What the fields of given data say: actions and devices in the words of others.

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

#[cfg(test)]
mod tests {
    use super::*;

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
