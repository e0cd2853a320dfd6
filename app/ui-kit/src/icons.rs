//! Icons of the Phosphor font (MIT, `assets/icons`), by their names there. Each is one character, to be mixed with text.

/// `gauge`
pub const GAUGE: &str = "\u{e628}";
/// `database`
pub const DATABASE: &str = "\u{e1de}";
/// `stack`
pub const STACK: &str = "\u{e466}";
/// `chats-circle`
pub const CHATS_CIRCLE: &str = "\u{e17e}";
/// `users-three`
pub const USERS_THREE: &str = "\u{e68e}";
/// `users`
pub const USERS: &str = "\u{e4d6}";
/// `flow-arrow`
pub const FLOW_ARROW: &str = "\u{e6ec}";
/// `chart-line-up`
pub const CHART_LINE_UP: &str = "\u{e156}";
/// `magnifying-glass`
pub const MAGNIFYING_GLASS: &str = "\u{e30c}";
/// `copy`
pub const COPY: &str = "\u{e1ca}";
/// `play`
pub const PLAY: &str = "\u{e3d0}";
/// `pause`
pub const PAUSE: &str = "\u{e39e}";
/// `stop`
pub const STOP: &str = "\u{e46c}";
/// `lightning`
pub const LIGHTNING: &str = "\u{e2de}";
/// `warning`
pub const WARNING: &str = "\u{e4e0}";
/// `warning-circle`
pub const WARNING_CIRCLE: &str = "\u{e4e2}";
/// `check-circle`
pub const CHECK_CIRCLE: &str = "\u{e184}";
/// `check`
pub const CHECK: &str = "\u{e182}";
/// `x`
pub const X: &str = "\u{e4f6}";
/// `gear`
pub const GEAR: &str = "\u{e270}";
/// `sun`
pub const SUN: &str = "\u{e472}";
/// `moon`
pub const MOON: &str = "\u{e330}";
/// `plugs`
pub const PLUGS: &str = "\u{eb56}";
/// `plugs-connected`
pub const PLUGS_CONNECTED: &str = "\u{eb5a}";
/// `clock`
pub const CLOCK: &str = "\u{e19a}";
/// `export`
pub const EXPORT: &str = "\u{eaf0}";
/// `funnel`
pub const FUNNEL: &str = "\u{e266}";
/// `cursor-click`
pub const CURSOR_CLICK: &str = "\u{e7c8}";
/// `shopping-cart`
pub const SHOPPING_CART: &str = "\u{e41e}";
/// `arrow-up`
pub const ARROW_UP: &str = "\u{e08e}";
/// `arrow-down`
pub const ARROW_DOWN: &str = "\u{e03e}";
/// `arrow-right`
pub const ARROW_RIGHT: &str = "\u{e06c}";
/// `arrow-left`
pub const ARROW_LEFT: &str = "\u{e058}";
/// `command`
pub const COMMAND: &str = "\u{e1c4}";
/// `info`
pub const INFO: &str = "\u{e2ce}";
/// `arrows-clockwise`
pub const ARROWS_CLOCKWISE: &str = "\u{e094}";
/// `plus`
pub const PLUS: &str = "\u{e3d4}";
/// `trash`
pub const TRASH: &str = "\u{e4a6}";
/// `eye`
pub const EYE: &str = "\u{e220}";
/// `caret-down`
pub const CARET_DOWN: &str = "\u{e136}";
/// `caret-up`
pub const CARET_UP: &str = "\u{e13c}";
/// `caret-right`
pub const CARET_RIGHT: &str = "\u{e13a}";
/// `terminal-window`
pub const TERMINAL_WINDOW: &str = "\u{eae8}";
/// `hard-drives`
pub const HARD_DRIVES: &str = "\u{e2a0}";
/// `paper-plane-tilt`
pub const PAPER_PLANE_TILT: &str = "\u{e398}";
/// `pulse`
pub const PULSE: &str = "\u{e000}";
/// `file-text`
pub const FILE_TEXT: &str = "\u{e23a}";
/// `question`
pub const QUESTION: &str = "\u{e3e8}";
/// `cloud-slash`
pub const CLOUD_SLASH: &str = "\u{e1b6}";
