//! The filter box of every list: words in any order, or letters in order.

/// Whether a name fits what was typed: each word is part of it, or all letters occur in it in that order. Case does not matter.
pub(crate) fn matches(name: &str, typed: &str) -> bool {
    let (name, typed) = (name.to_lowercase(), typed.trim().to_lowercase());
    typed.split_whitespace().all(|word| name.contains(word)) || is_subsequence(&name, &typed)
}

fn is_subsequence(name: &str, typed: &str) -> bool {
    let mut letters = name.chars();
    typed.chars().filter(|c| !c.is_whitespace()).all(|wanted| letters.any(|c| c == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_any_order_or_letters_in_order() {
        let check = |typed: &str, expect: bool| assert_eq!(matches("Orders.Payment-Retry", typed), expect, "{typed}");
        check("", true);
        check("  ", true);
        check("payment", true);
        check("RETRY orders", true);
        check("opr", true);
        check("rpo", false);
        check("refund", false);
    }
}
