//! Real clients against the real thing, architecture rules, docs checks, benches.
