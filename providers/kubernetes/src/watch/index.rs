//! What was told of all objects, in as few bytes as will do: some thirty for each.

use std::collections::{HashMap, HashSet};

use landlord_state_machines::id::TenantId;

use super::item::{Item, Mark, News, Pods, Watched, is_stopped};

/// All objects that are there, as far as was told.
#[derive(Debug, Default)]
pub(super) struct Index {
    kinds: HashMap<Watched, Kind>,
    tenants: Tenants,
}

/// The objects of a kind.
#[derive(Debug, Default)]
struct Kind {
    /// By a hash of their uids.
    objects: HashMap<u64, Entry>,
    listed: Listed,
}

/// How often a kind was listed.
#[derive(Debug, Default)]
enum Listed {
    #[default]
    Never,
    /// For the first time: these are there.
    First,
    Whole,
    /// Again: these were listed so far.
    Again(HashSet<u64>),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tenant: u32,
    state: u32,
    mark: Mark,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that matters.
    None,
    /// It is new, or does something else.
    State(News),
    /// It is a workload, and is to have no pods any more. Somebody else may have said so before the first list, too.
    Stopped(Pods),
    /// The engine has written it.
    Ours,
    /// Others have taken fields that the engine had applied; so it was before.
    Lost(Mark),
}

/// An object that is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) tenant: TenantId,
    pub(super) namespace: String,
}

impl Index {
    /// How many tenants have something.
    pub(super) fn tenants(&self) -> usize {
        self.tenants.by_id.len()
    }

    /// A list begins.
    pub(super) fn begin(&mut self, watched: Watched) {
        let kind = self.kinds.entry(watched).or_default();
        kind.listed = match kind.listed {
            Listed::Never | Listed::First => Listed::First,
            Listed::Whole | Listed::Again(_) => Listed::Again(HashSet::new()),
        };
    }

    /// A list has ended: what it did not show is not there any more.
    /// Each with the hash of its uid.
    pub(super) fn end(&mut self, watched: Watched) -> Vec<(u64, Gone)> {
        let kind = self.kinds.entry(watched).or_default();
        let Listed::Again(shown) = std::mem::replace(&mut kind.listed, Listed::Whole) else {
            return Vec::new();
        };
        let gone: Vec<u64> = kind.objects.keys().filter(|uid| !shown.contains(uid)).copied().collect();
        gone.into_iter().filter_map(|uid| Some((uid, self.remove(watched, uid)?))).collect()
    }

    /// An object is so.
    pub(super) fn put(&mut self, watched: Watched, item: &Item) -> Change {
        let kind = self.kinds.entry(watched).or_default();
        let is_first = match &mut kind.listed {
            Listed::Never | Listed::First => true,
            Listed::Whole => false,
            Listed::Again(shown) => {
                shown.insert(item.uid);
                false
            }
        };
        let Some(entry) = kind.objects.get_mut(&item.uid) else {
            let tenant = self.tenants.enter(&item.tenant, &item.namespace);
            kind.objects.insert(item.uid, Entry { tenant, state: item.state.hash, mark: item.mark });
            return match (is_first, item.mark.is_ours(), item.state.pods) {
                // That happened while nobody watched.
                (true, _, Pods::Denied) => Change::Stopped(Pods::Denied),
                (true, _, Pods::Some | Pods::None) => Change::None,
                (false, true, _) => Change::Ours,
                (false, false, _) => Change::State(item.state.news),
            };
        };
        let before = *entry;
        (entry.state, entry.mark) = (item.state.hash, item.mark);
        if is_stopped(item.state.hash) && !is_stopped(before.state) {
            Change::Stopped(item.state.pods)
        } else if before.mark.has_lost_to(item.mark) {
            Change::Lost(before.mark)
        } else if before.mark != item.mark {
            Change::Ours
        } else if before.state != item.state.hash {
            Change::State(item.state.news)
        } else {
            Change::None
        }
    }

    /// An object is not there any more.
    pub(super) fn remove(&mut self, watched: Watched, uid: u64) -> Option<Gone> {
        let entry = self.kinds.get_mut(&watched)?.objects.remove(&uid)?;
        self.tenants.leave(entry.tenant)
    }
}

/// The tenants that have objects, each once.
#[derive(Debug, Default)]
struct Tenants {
    by_id: HashMap<TenantId, u32>,
    all: Vec<Option<Known>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Known {
    id: TenantId,
    namespace: Box<str>,
    objects: u32,
}

impl Tenants {
    /// A tenant has one more object; its number.
    fn enter(&mut self, id: &TenantId, namespace: &str) -> u32 {
        if let Some(number) = self.by_id.get(id)
            && let Some(Some(known)) = self.all.get_mut(*number as usize)
        {
            known.objects += 1;
            if *known.namespace != *namespace {
                known.namespace = namespace.into();
            }
            return *number;
        }
        let known = Some(Known { id: id.clone(), namespace: namespace.into(), objects: 1 });
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.all.push(None);
                u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(place) = self.all.get_mut(number as usize) {
            *place = known;
        }
        self.by_id.insert(id.clone(), number);
        number
    }

    /// A tenant has one object less; one without any is forgotten.
    fn leave(&mut self, number: u32) -> Option<Gone> {
        let place = self.all.get_mut(number as usize)?;
        let known = place.as_mut()?;
        known.objects = known.objects.saturating_sub(1);
        let gone = Gone { tenant: known.id.clone(), namespace: known.namespace.to_string() };
        if known.objects == 0 {
            self.by_id.remove(&gone.tenant);
            *place = None;
            self.free.push(number);
        }
        Some(gone)
    }
}

#[cfg(test)]
mod tests {
    use landlord_state_machines::id::TenantId;
    use landlord_state_machines::planner::kubernetes::ObjectKind;

    use super::super::item::{Item, Mark, News, Pods, State, Watched};
    use super::{Change, Index};

    const MAPS: Watched = Watched::Objects(ObjectKind::ConfigMap);

    fn item(tenant: &str, uid: u64, hash: u32) -> Item {
        Item {
            tenant: TenantId::new(tenant).unwrap(),
            namespace: format!("landlord-{tenant}"),
            name: "files".to_owned(),
            uid,
            state: State { hash, news: News::Some, pods: Pods::Some },
            mark: Mark::default(),
        }
    }

    fn index() -> Index {
        let mut index = Index::default();
        index.begin(MAPS);
        assert_eq!(index.put(MAPS, &item("acme", 1, 1)), Change::None, "what is there first is no news");
        assert_eq!(index.put(MAPS, &item("globex", 2, 1)), Change::None);
        assert!(index.end(MAPS).is_empty());
        index
    }

    #[test]
    fn what_changes_after_the_first_list_is_told() {
        let mut index = index();
        assert_eq!(index.put(MAPS, &item("acme", 1, 1)), Change::None);
        assert_eq!(index.put(MAPS, &item("acme", 1, 2)), Change::State(News::Some));
        assert_eq!(index.put(MAPS, &item("acme", 3, 1)), Change::State(News::Some));
        assert_eq!(index.remove(MAPS, 2).unwrap().tenant.as_str(), "globex");
        assert_eq!(index.remove(MAPS, 2), None, "it is told once");
        assert_eq!(index.remove(MAPS, 1).unwrap().namespace, "landlord-acme");
    }

    #[test]
    fn a_list_tells_what_went_and_what_changed_since_the_one_before() {
        let mut index = index();
        index.begin(MAPS);
        assert_eq!(index.put(MAPS, &item("initech", 4, 1)), Change::State(News::Some));
        // It broke off.
        index.begin(MAPS);
        assert_eq!(index.put(MAPS, &item("acme", 1, 2)), Change::State(News::Some));
        let mut gone: Vec<String> = index.end(MAPS).into_iter().map(|(_, gone)| gone.namespace).collect();
        gone.sort();
        assert_eq!(gone, ["landlord-globex", "landlord-initech"]);
        assert!(index.tenants.all.len() == 3 && index.tenants.free.len() == 2);
        index.put(MAPS, &item("hooli", 5, 1));
        assert_eq!(index.tenants.all.len(), 3, "places are used again");
    }

    #[test]
    fn an_object_takes_a_few_bytes() {
        assert!(size_of::<(u64, super::Entry)>() <= 24);
    }
}
