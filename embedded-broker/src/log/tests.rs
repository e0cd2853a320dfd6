//! Properties of a partition log: torn tails, flipped bits, time lookups, retries.
