//! Everything of Weir that talks to Kafka. Knows no egui.
