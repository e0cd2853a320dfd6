//! Panels side by side: egui_tiles does the tiling, this file keeps it to one pane a panel and turns it into settings and back.

use egui::{Ui, WidgetText};
use egui_tiles::{Behavior, Container, Linear, LinearDir, SimplificationOptions, Tabs, Tile, TileId, Tiles, Tree, UiResponse};

use super::settings::Layout as SavedLayout;
use crate::panels::{self, OVERVIEW, PanelId};

/// The arrangement of panels.
pub(super) struct Layout {
    tree: Tree<PanelId>,
    /// The pane that navigation changes.
    current: PanelId,
}

impl Layout {
    /// As it was kept; panels that no longer exist are left out, and without any left the first panel stands alone.
    pub(super) fn new(saved: Option<&SavedLayout>) -> Self {
        let mut tiles = Tiles::default();
        let mut seen = Vec::new();
        let root = saved.and_then(|saved| insert(&mut tiles, saved, &mut seen));
        let root = root.unwrap_or_else(|| {
            seen = vec![OVERVIEW];
            tiles.insert_pane(OVERVIEW)
        });
        let current = seen.first().copied().unwrap_or(OVERVIEW);
        Self { tree: Tree::new(egui::Id::unique("weir layout"), root, tiles), current }
    }

    /// As it is to be kept; `None` for the plain first screen.
    pub(super) fn saved(&self) -> Option<SavedLayout> {
        let saved = save(&self.tree.tiles, self.tree.root()?)?;
        (saved != SavedLayout::Panel(OVERVIEW.to_owned())).then_some(saved)
    }

    /// The panel that navigation changes.
    pub(super) fn current(&self) -> PanelId {
        self.current
    }

    /// Brings a panel to the front, in place of the current one when it is nowhere yet.
    pub(super) fn show(&mut self, panel: PanelId) {
        if self.tree.tiles.find_pane(&panel).is_none() {
            let place =
                self.tree.tiles.find_pane(&self.current).or_else(|| self.panes().first().and_then(|pane| self.tree.tiles.find_pane(pane)));
            match place.and_then(|place| self.tree.tiles.get_mut(place)) {
                Some(tile) => *tile = Tile::Pane(panel),
                None => *self = Self::new(Some(&SavedLayout::Panel(panel.to_owned()))),
            }
        }
        self.tree.make_active(|_, tile| matches!(tile, Tile::Pane(pane) if *pane == panel));
        self.current = panel;
    }

    /// Puts a panel to the right of what is there.
    pub(super) fn split(&mut self, panel: PanelId) {
        if self.tree.tiles.find_pane(&panel).is_none()
            && let Some(root) = self.tree.root()
        {
            let pane = self.tree.tiles.insert_pane(panel);
            let row = self.tree.tiles.insert_horizontal_tile(vec![root, pane]);
            self.tree.root = Some(row);
        }
        self.show(panel);
    }

    /// Draws all panes; `draw` draws the inside of one.
    pub(super) fn ui(&mut self, ui: &mut Ui, draw: &mut dyn FnMut(&mut Ui, PanelId)) {
        let mut panes = Panes { draw, count: self.panes().len(), pressed: None };
        self.tree.ui(&mut panes, ui);
        if let Some(pressed) = panes.pressed {
            self.current = pressed;
        }
        if self.tree.tiles.find_pane(&self.current).is_none() {
            self.current = self.panes().first().copied().unwrap_or(OVERVIEW);
        }
    }

    fn panes(&self) -> Vec<PanelId> {
        self.tree.tiles.tiles().filter_map(|tile| if let Tile::Pane(panel) = tile { Some(*panel) } else { None }).collect()
    }
}

struct Panes<'a> {
    draw: &'a mut dyn FnMut(&mut Ui, PanelId),
    count: usize,
    pressed: Option<PanelId>,
}

impl Behavior<PanelId> for Panes<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile_id: TileId, panel: &mut PanelId) -> UiResponse {
        let area = ui.max_rect();
        if ui.input(|input| input.pointer.any_pressed() && input.pointer.interact_pos().is_some_and(|at| area.contains(at))) {
            self.pressed = Some(*panel);
        }
        (self.draw)(ui, panel);
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, panel: &PanelId) -> WidgetText {
        let meta = panels::meta(panel);
        meta.map_or_else(|| (*panel).into(), |meta| format!("{}  {}", meta.icon, meta.title).into())
    }

    fn is_tab_closable(&self, _tiles: &Tiles<PanelId>, _tile_id: TileId) -> bool {
        self.count > 1
    }

    fn simplification_options(&self) -> SimplificationOptions {
        // One panel alone needs no tab above it.
        SimplificationOptions { all_panes_must_have_tabs: self.count > 1, ..SimplificationOptions::default() }
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        32.0
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        2.0
    }

    fn min_size(&self) -> f32 {
        220.0
    }

    fn tab_bar_color(&self, visuals: &egui::Visuals) -> egui::Color32 {
        visuals.faint_bg_color
    }
}

fn insert(tiles: &mut Tiles<PanelId>, saved: &SavedLayout, seen: &mut Vec<PanelId>) -> Option<TileId> {
    let mut linear = |dir, children: &[(f32, SavedLayout)]| {
        let inserted: Vec<(f32, TileId)> =
            children.iter().filter_map(|(share, child)| Some((*share, insert(tiles, child, seen)?))).collect();
        if inserted.is_empty() {
            return None;
        }
        let mut linear = Linear::new(dir, inserted.iter().map(|(_, id)| *id).collect());
        for (share, id) in inserted.into_iter().filter(|(share, _)| share.is_finite() && *share > 0.0) {
            linear.shares.set_share(id, share);
        }
        Some(tiles.insert_container(linear))
    };
    match saved {
        SavedLayout::Panel(id) => {
            let id = panels::meta(id)?.id;
            if seen.contains(&id) {
                return None; // a panel has one state, so it stands in one place
            }
            seen.push(id);
            Some(tiles.insert_pane(id))
        }
        SavedLayout::Tabs { children, active } => {
            let inserted: Vec<TileId> = children.iter().filter_map(|child| insert(tiles, child, seen)).collect();
            let mut tabs = Tabs::new(inserted.clone());
            tabs.active = inserted.get(*active).or(inserted.first()).copied();
            (!inserted.is_empty()).then(|| tiles.insert_container(tabs))
        }
        SavedLayout::Row { children } => linear(LinearDir::Horizontal, children),
        SavedLayout::Column { children } => linear(LinearDir::Vertical, children),
    }
}

fn save(tiles: &Tiles<PanelId>, id: TileId) -> Option<SavedLayout> {
    match tiles.get(id)? {
        Tile::Pane(panel) => Some(SavedLayout::Panel((*panel).to_owned())),
        Tile::Container(Container::Tabs(tabs)) => {
            let children: Vec<SavedLayout> = tabs.children.iter().filter_map(|child| save(tiles, *child)).collect();
            let active = tabs.children.iter().position(|child| Some(*child) == tabs.active).unwrap_or(0);
            match children.len() {
                0 => None,
                1 => children.into_iter().next(),
                _ => Some(SavedLayout::Tabs { children, active }),
            }
        }
        Tile::Container(Container::Linear(linear)) => {
            let children = linear.children.iter().filter_map(|child| Some((linear.shares[*child], save(tiles, *child)?))).collect();
            Some(match linear.dir {
                LinearDir::Horizontal => SavedLayout::Row { children },
                LinearDir::Vertical => SavedLayout::Column { children },
            })
        }
        Tile::Container(Container::Grid(grid)) => {
            Some(SavedLayout::Row { children: grid.children().filter_map(|child| Some((1.0, save(tiles, *child)?))).collect() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panels::{CONSUMERS, MESSAGES, TOPICS};

    #[test]
    fn a_layout_survives_and_navigation_changes_the_current_pane() {
        let mut layout = Layout::new(None);
        assert_eq!((layout.saved(), layout.current()), (None, OVERVIEW));
        layout.show(TOPICS);
        layout.split(MESSAGES);
        assert_eq!(layout.current(), MESSAGES);
        layout.show(CONSUMERS);
        let saved = layout.saved().unwrap();
        assert_eq!(
            saved,
            SavedLayout::Row { children: vec![(1.0, SavedLayout::Panel(TOPICS.into())), (1.0, SavedLayout::Panel(CONSUMERS.into()))] }
        );
        assert_eq!(Layout::new(Some(&saved)).saved(), Some(saved));
    }

    #[test]
    fn panels_that_are_gone_or_stand_twice_are_left_out() {
        let panel = |id: &str| SavedLayout::Panel(id.into());
        let saved = SavedLayout::Tabs { children: vec![panel("gone"), panel(TOPICS), panel(TOPICS)], active: 7 };
        assert_eq!(Layout::new(Some(&saved)).saved(), Some(panel(TOPICS)));
        assert_eq!(Layout::new(Some(&panel("gone"))).saved(), None);
    }
}
