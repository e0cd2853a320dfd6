//! In which column of a left-to-right drawing each node of a graph stands.

/// The length of the longest way to each node; a cycle ends where it would come back.
pub(super) fn layers(nodes: usize, edges: impl Iterator<Item = (usize, usize)> + Clone) -> Vec<usize> {
    let mut layer = vec![0_usize; nodes];
    // A way without a cycle is shorter than there are nodes.
    for _ in 1..nodes {
        let mut has_changed = false;
        for (from, to) in edges.clone().filter(|(from, to)| from != to) {
            let (Some(before), Some(here)) = (layer.get(from).copied(), layer.get(to).copied()) else { continue };
            if before + 1 > here && before + 1 < nodes && !reaches(&edges, to, from, nodes) {
                layer[to] = before + 1;
                has_changed = true;
            }
        }
        if !has_changed {
            break;
        }
    }
    layer
}

/// Whether there is a way from one node to another.
fn reaches(edges: &(impl Iterator<Item = (usize, usize)> + Clone), from: usize, wanted: usize, nodes: usize) -> bool {
    let mut seen = vec![false; nodes];
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        if node == wanted {
            return true;
        }
        for (_, next) in edges.clone().filter(|(before, _)| *before == node) {
            if let Some(seen) = seen.get_mut(next).filter(|seen| !**seen) {
                *seen = true;
                open.push(next);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_goes_to_the_right_unless_it_is_part_of_a_cycle() {
        let check =
            |nodes, edges: &[(usize, usize)], expect: &[usize]| assert_eq!(layers(nodes, edges.iter().copied()), expect, "{edges:?}");
        check(0, &[], &[]);
        check(3, &[(0, 1), (1, 2), (0, 2)], &[0, 1, 2]);
        check(4, &[(2, 3), (0, 2), (1, 2)], &[0, 0, 1, 2]);
        check(2, &[(0, 1), (1, 0)], &[0, 0]);
        check(3, &[(0, 0), (0, 1), (7, 9)], &[0, 1, 0]);
    }
}
