//! Keys. One list, shown in the help as it is here.

use egui::{Context, Key, KeyboardShortcut, Modifiers};

use crate::panels::{Command, PANELS, Route, dashboard::FREEZE};

/// Opens the palette.
pub(super) const PALETTE: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::K);
const QUIT: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Q);
const REFRESH: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::R);
const HELP: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Comma);
/// For an audience, and back.
const PRESENT: KeyboardShortcut = KeyboardShortcut::new(Modifiers::NONE, Key::F11);
const NUMBERS: [Key; 9] = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];

/// The keys that open the n-th panel.
pub(super) fn of_panel(at: usize) -> Option<KeyboardShortcut> {
    NUMBERS.get(at).map(|key| KeyboardShortcut::new(Modifiers::COMMAND, *key))
}

/// All keys with what they do, for the help.
pub(super) fn list(ctx: &Context) -> Vec<(String, &'static str)> {
    let mut list = vec![
        (ctx.format_shortcut(&PALETTE), "Find any screen, topic, group or action"),
        ("/".to_owned(), "Filter the list in front"),
        ("↑ ↓ PgUp PgDn Home End".to_owned(), "Move in a table"),
        ("Enter".to_owned(), "Open the chosen row"),
        ("Esc".to_owned(), "Close what is open"),
        (ctx.format_shortcut(&REFRESH), "Read the cluster now"),
        (ctx.format_shortcut(&PRESENT), "For an audience: larger, nothing but the screen; again to leave"),
        (ctx.format_shortcut(&FREEZE), "Hold the dashboard's picture while the run goes on; again to let it go"),
        (ctx.format_shortcut(&HELP), "This help, and the settings"),
        (ctx.format_shortcut(&QUIT), "Quit"),
    ];
    let panels = PANELS.iter().enumerate().filter_map(|(at, meta)| Some((ctx.format_shortcut(&of_panel(at)?), meta.title)));
    list.splice(1..1, panels);
    list
}

/// What was pressed.
pub(super) fn pressed(ctx: &Context) -> Vec<Command> {
    let hit = |keys: &KeyboardShortcut| ctx.input_mut(|input| input.consume_shortcut(keys));
    let mut commands = Vec::new();
    for (at, meta) in PANELS.iter().enumerate() {
        if of_panel(at).is_some_and(|keys| hit(&keys)) {
            commands.push(Command::Navigate(Route::Panel(meta.id)));
        }
    }
    if hit(&PALETTE) {
        commands.push(Command::OpenPalette);
    }
    if hit(&REFRESH) {
        commands.push(Command::Request(weir_model::Request::Refresh));
    }
    if hit(&PRESENT) {
        commands.push(Command::TogglePresentation);
    }
    if hit(&QUIT) {
        commands.push(Command::Quit);
    }
    let nobody_types = ctx.memory(|memory| memory.focused().is_none());
    let asks = nobody_types && ctx.input(|input| input.events.iter().any(|event| matches!(event, egui::Event::Text(text) if text == "?")));
    if hit(&HELP) || asks {
        commands.push(Command::OpenHelp);
    }
    commands
}
