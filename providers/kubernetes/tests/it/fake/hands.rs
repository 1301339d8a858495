//! What tests do to a cluster, and look at, without the API: by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Fake;
use super::behaviour::Behaviour;
use super::deletes::Propagation;
use super::kinds::{Key, Kind};
use super::life::State;
use super::managed::Writer;
use super::mishap::Trap;
use super::pace::Pace;
use super::request::Verb;
use super::settings::Settings;
use super::status::Refusal;
use super::world::{World, is_deleting};
use super::writes::By;

impl Fake {
    /// An object as it is.
    pub(crate) fn object(&self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        self.shared.act(|world| world.find(kind, namespace, name).map(|object| (*object).clone()))
    }

    /// All objects of a kind; an empty namespace is all of them.
    pub(crate) fn objects(&self, kind: Kind, namespace: &str) -> Vec<Value> {
        self.shared.act(|world| {
            let place = Some(namespace).filter(|namespace| !namespace.is_empty());
            world.store.all(kind, place).into_iter().map(|(_, object)| (**object).clone()).collect()
        })
    }

    /// A stranger makes an object.
    pub(crate) fn plant(&self, kind: Kind, namespace: &str, object: Value) -> Result<Value, Refusal> {
        self.shared.act(|world| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let writer = stranger(world, kind, "kubectl");
            world.create(&Key::new(kind, namespace, &name), object, &writer, false)
        })
    }

    /// A stranger changes an object. Also its status, where it is the only thing that is changed.
    pub(crate) fn change(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, Refusal> {
        self.change_as("kubectl", kind, namespace, name, change)
    }

    /// The same under this name.
    pub(crate) fn change_as(
        &self,
        manager: &str,
        kind: Kind,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Value, Refusal> {
        self.shared.act(|world| {
            let key = Key::new(kind, namespace, name);
            let old = world.get(&key).ok_or_else(|| Refusal::not_found(&key))?;
            let mut new = (*old).clone();
            change(&mut new);
            let writer = stranger(world, kind, manager);
            let sub = if new["status"] == old["status"] { None } else { Some("status") };
            world.replace(&key, &old, new, &writer, (sub, By::Update), false)
        })
    }

    /// A controller that is not here says how an object is: an ingress, a route, a budget.
    pub(crate) fn set_status(&self, kind: Kind, namespace: &str, name: &str, status: Value) {
        self.shared.act(|world| world.set_status(&Key::new(kind, namespace, name), status));
    }

    /// A stranger deletes an object, as one does without saying how.
    pub(crate) fn delete(&self, kind: Kind, namespace: &str, name: &str) {
        self.shared
            .act(|world| world.delete(&Key::new(kind, namespace, name), Propagation::Background, None));
    }

    /// An object is gone at once, whatever holds it.
    pub(crate) fn remove(&self, kind: Kind, namespace: &str, name: &str) {
        self.shared.act(|world| world.vanish(&Key::new(kind, namespace, name)));
    }

    /// Something holds an object that is to go.
    pub(crate) fn hold_object(&self, kind: Kind, namespace: &str, name: &str, finalizer: &str) {
        self.alter(kind, namespace, name, |object| match object["metadata"]["finalizers"].as_array_mut() {
            Some(all) => all.push(json!(finalizer)),
            None => object["metadata"]["finalizers"] = json!([finalizer]),
        });
    }

    /// It holds it no more.
    pub(crate) fn release_object(&self, kind: Kind, namespace: &str, name: &str, finalizer: &str) {
        self.shared.act(|world| world.release(&Key::new(kind, namespace, name), finalizer));
    }

    fn alter(&self, kind: Kind, namespace: &str, name: &str, change: impl FnOnce(&mut Value)) {
        self.shared.act(|world| {
            let key = Key::new(kind, namespace, name);
            let Some(object) = world.get(&key) else { return };
            let mut object = (*object).clone();
            change(&mut object);
            world.commit(&key, object);
        });
    }

    /// The pods of a namespace that are to stay, by name.
    pub(crate) fn pods(&self, namespace: &str) -> BTreeMap<String, Value> {
        let pods = self.objects(Kind::Pod, namespace).into_iter().filter(|pod| !is_deleting(pod));
        pods.map(|pod| (pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(), pod)).collect()
    }

    /// A pod is gone, as when its node is.
    pub(crate) fn kill_pod(&self, namespace: &str, name: &str) {
        self.remove(Kind::Pod, namespace, name);
    }

    /// A pod is over for this reason, such as `Evicted`.
    pub(crate) fn fail_pod(&self, namespace: &str, name: &str, reason: &str) {
        self.shared.act(|world| {
            with_life(world, namespace, name, |life, _| life.over = Some(reason.to_owned()));
        });
    }

    /// A pod takes no requests any more, or takes them again.
    pub(crate) fn sicken(&self, namespace: &str, name: &str, sick: bool) {
        self.shared.act(|world| {
            with_life(world, namespace, name, |life, now| {
                life.sick = sick;
                life.containers.iter_mut().filter(|one| one.runs()).for_each(|one| one.due = Some(now));
            });
        });
    }

    /// A container of a pod ends, and is started again.
    pub(crate) fn crash_container(&self, namespace: &str, name: &str, container: &str, code: u32) {
        self.shared.act(|world| {
            with_life(world, namespace, name, |life, now| {
                for one in life.containers.iter_mut().filter(|one| one.name == container) {
                    let reason = if code == 137 { "OOMKilled" } else { "Error" };
                    one.ready = false;
                    one.state = State::Ended(super::life::Ended {
                        code,
                        reason: reason.to_owned(),
                        message: String::new(),
                        began: now,
                        at: now,
                    });
                    one.due = Some(now);
                }
            });
        });
    }

    /// From now on containers of this image do this.
    pub(crate) fn behave(&self, image: &str, behaviour: Behaviour) {
        self.shared.act(|world| world.images.insert(image.to_owned(), behaviour));
    }

    /// A container writes a line.
    pub(crate) fn write_log(&self, namespace: &str, pod: &str, container: &str, line: &str) {
        self.shared.act(|world| {
            let Some(found) = world.find(Kind::Pod, namespace, pod) else { return };
            let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
            let at = world.time(world.now);
            world.logs.write(uid, container, at, line);
        });
    }

    /// The address of a service, an ingress or a gateway: `{ "ip": … }` or `{ "hostname": … }`.
    pub(crate) fn give_address(&self, kind: Kind, namespace: &str, name: &str, address: Value) {
        self.set_status(kind, namespace, name, json!({ "loadBalancer": { "ingress": [address] } }));
    }

    /// Sets a trap.
    pub(crate) fn trap(&self, trap: Trap) {
        self.shared.act(|world| world.traps.set(trap));
    }

    /// Takes all traps away.
    pub(crate) fn clear_traps(&self) {
        self.shared.act(|world| world.traps.clear());
    }

    /// Takes those traps away that are about this.
    pub(crate) fn clear_traps_on(&self, path: &str) {
        self.shared.act(|world| world.traps.clear_on(path));
    }

    /// How often what was asked for since the last look, by verb and path.
    pub(crate) fn take_counts(&self) -> BTreeMap<(Verb, String), u64> {
        self.shared.act(|world| std::mem::take(&mut world.counts))
    }

    /// How many requests of a verb had this in their path, since counts were last taken.
    pub(crate) fn count(&self, verb: Verb, path: &str) -> u64 {
        self.shared.act(|world| {
            let all = world.counts.iter().filter(|((of, at), _)| *of == verb && at.contains(path));
            all.map(|(_, count)| count).sum()
        })
    }

    /// Reads that do not ask for the newest see what is now, until they do no more.
    pub(crate) fn stale_reads(&self, stale: bool) {
        self.shared.act(|world| world.stale = stale.then(|| world.store.revision()));
    }

    /// Watches say nothing, until they say all of it.
    pub(crate) fn hold_watches(&self, held: bool) {
        self.shared.act(|world| world.watches.held = held.then(|| world.store.revision()));
    }

    /// All open watches are told that they are too old (410), and end; what was is forgotten.
    pub(crate) fn expire_watches(&self) {
        self.shared.act(|world| {
            world.watches.expired += 1;
            world.store.forget();
        });
    }

    /// The connections of all open watches break.
    pub(crate) fn cut_watches(&self) {
        self.shared.act(|world| world.watches.cut += 1);
    }

    /// What was is forgotten: a watch that begins before now is too old. Those that are open go on.
    pub(crate) fn forget_history(&self) {
        self.shared.act(|world| world.store.forget());
    }

    /// How many bookmarks watches have told.
    pub(crate) fn bookmarks(&self) -> u64 {
        self.shared.act(|world| world.watches.marks)
    }

    /// How many watches are open.
    pub(crate) fn open_watches(&self) -> usize {
        self.shared.act(|world| world.watches.open)
    }

    /// An API that somebody added does not answer: no namespace goes.
    pub(crate) fn kill_api(&self, dead: bool) {
        self.shared.act(|world| {
            world.dead_api = dead;
            let all = world.store.all(Kind::Namespace, None).into_iter();
            let all: Vec<Key> = all.map(|((_, name), _)| Key::new(Kind::Namespace, "", name)).collect();
            all.into_iter().for_each(|key| world.soon(key));
        });
    }

    /// From now on things take as long as this.
    pub(crate) fn set_pace(&self, pace: Pace) {
        self.shared.act(|world| world.settings.pace = pace);
    }

    /// Changes what the cluster is like: its users, its kinds, what balancers and claims do.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        self.shared.act(|world| change(&mut world.settings));
    }

    /// The namespace `kube-system` has another uid: this is another cluster.
    pub(crate) fn become_another(&self) {
        self.shared.act(|world| {
            let key = Key::new(Kind::Namespace, "", "kube-system");
            let Some(object) = world.get(&key) else { return };
            let mut object = (*object).clone();
            object["metadata"]["uid"] = json!(world.uid());
            world.commit(&key, object);
        });
    }

    /// Waits until something holds for the cluster; a minute at most.
    pub(crate) async fn until<T>(&self, what: &str, holds: impl Fn(&Self) -> Option<T>) -> T {
        let mut changed = self.shared.changed.subscribe();
        let found = async {
            loop {
                changed.mark_unchanged();
                if let Some(found) = holds(self) {
                    return found;
                }
                // The cluster is there as long as this.
                let _ = changed.changed().await;
            }
        };
        let found = tokio::time::timeout(std::time::Duration::from_secs(60), found).await;
        found.unwrap_or_else(|_| panic!("{what}"))
    }
}

fn stranger(world: &World, kind: Kind, manager: &str) -> Writer {
    Writer { manager: manager.to_owned(), ..world.controller(kind) }
}

fn with_life(
    world: &mut World,
    namespace: &str,
    name: &str,
    change: impl FnOnce(&mut super::life::Life, tokio::time::Instant),
) {
    let key = Key::new(Kind::Pod, namespace, name);
    let pod: Option<Arc<Value>> = world.get(&key);
    let Some(uid) = pod.as_ref().and_then(|pod| pod["metadata"]["uid"].as_str()) else { return };
    let now = world.now;
    if let Some(life) = world.lives.get_mut(uid) {
        change(life, now);
        world.queue.add(key, now);
    }
}
