//! Looks at a tenant: what it has, what runs.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{try_join, try_join_all};
use landlord_state_machines::planner::Subject;
use landlord_state_machines::planner::kubernetes::{
    Awaited, Entrance, Look, Object, ObjectId, ObjectKind, Place, Pod, Running, ServedBy, Sharing, tags,
};
use serde_json::Value;

use super::discovery::Discovered;
use super::error::{Failure, Why};
use super::reads::{self, At};
use super::references;
use super::request::{Ask, Part, Resource};

impl At<'_> {
    /// The tenant's objects in a place, and those of the names that are asked for.
    ///
    /// Secrets are listed by nobody, so that the engine needs no right to: those that the tenant's workload refers to are looked
    /// at by name, without their values.
    pub(super) async fn look(&self, look: &Look) -> Result<Vec<Object>, Failure> {
        let Look { place, kinds, named, subject, since: _ } = look;
        let namespace = self.own_namespace(place).await?;
        if place.sharing == Sharing::Own && namespace.is_none() {
            // Nothing can be in it.
            return Ok(Vec::new());
        }
        let found = self.discovered().await?;
        let labels = tags::selector(subject);
        let lists = found.kinds.iter().filter(|(kind, _)| kinds.contains(kind) && is_listed(**kind));
        let lists = lists.map(|(kind, version)| self.listed(*kind, version, place, &labels));
        let listed = try_join_all(lists).await?;
        let objects = namespace.into_iter().chain(listed.into_iter().flatten());
        let mut objects: BTreeMap<ObjectId, Object> =
            objects.map(|object| (object.id.clone(), object)).collect();
        let secrets = match kinds.contains(&ObjectKind::Secret) {
            true => objects.values().flat_map(references::secrets).collect(),
            false => BTreeSet::new(),
        };
        let by_name = named.union(&secrets).filter(|id| !objects.contains_key(*id));
        let by_name = by_name.filter_map(|id| Some((id, found.kinds.get(&id.kind)?)));
        let got = by_name.map(|(id, version)| self.object(place, id, version));
        let got = try_join_all(got).await?.into_iter().flatten();
        let its = |object: &Object| {
            let owner = tags::owner(&object.labels(), &subject.engine, subject.provider.as_str());
            owner.is_some_and(|(tenant, _)| tenant == subject.tenant)
        };
        let wanted = got.filter(|object| named.contains(&object.id) || its(object));
        objects.extend(wanted.map(|object| (object.id.clone(), object)).collect::<Vec<_>>());
        Ok(objects.into_values().collect())
    }

    /// What runs of a workload, and what leads to it. Routes from outside are looked at where their addresses are awaited.
    pub(super) async fn watch(
        &self,
        subject: &Subject,
        place: &Place,
        workload: &ObjectId,
        awaited: Option<&Awaited>,
    ) -> Result<Running, Failure> {
        let found = self.discovered().await?;
        let (namespace, labels) = (Some(place.namespace.as_str()), tags::selector(subject));
        let version = found.kinds.get(&workload.kind).map_or("apps/v1", String::as_str);
        let pods = Ask::list(Resource::all("v1", "pods", namespace), labels.as_str(), Part::Whole);
        let listed = async |kind: ObjectKind| match found.kinds.get(&kind) {
            Some(version) => self.listed(kind, version, place, &labels).await,
            None => Ok(Vec::new()),
        };
        let routes = async |kind: ObjectKind| match awaited.is_some_and(|awaited| has_route(awaited, kind)) {
            true => listed(kind).await,
            false => Ok(Vec::new()),
        };
        let (shown, pods, autoscaler, services, ingresses, routes) = futures_util::try_join!(
            self.object(place, workload, version),
            self.list(&pods),
            self.autoscaler(&found, place, workload),
            listed(ObjectKind::Service),
            routes(ObjectKind::Ingress),
            routes(ObjectKind::HttpRoute),
        )?;
        let (addresses, gateways) =
            try_join(self.addresses(&found, place, &services), self.gateways(&found, place, &routes)).await?;
        let nodes = pods.iter().filter_map(node_address).next();
        let of_services = services.iter().flat_map(|service| service_entrances(service, nodes.as_deref()));
        let of_ingresses = ingresses.iter().map(|ingress| Entrance {
            of: ingress.id.clone(),
            port: None,
            address: balanced(&ingress.body),
        });
        Ok(Running {
            workload: shown,
            pods: pods.iter().filter_map(Pod::read).collect(),
            addresses,
            autoscaler,
            entrances: of_services.chain(of_ingresses).chain(gateways).collect(),
            watched: false,
        })
    }

    /// The tenant's objects of a kind. What an engine may not even list of the kinds that others bring, it has not made.
    async fn listed(
        &self,
        kind: ObjectKind,
        version: &str,
        place: &Place,
        labels: &str,
    ) -> Result<Vec<Object>, Failure> {
        let listed = self.objects(kind, version, Some(&place.namespace), labels, Part::Whole).await;
        match listed {
            Err(Failure { why: Why::Forbidden, .. }) if reads::is_others(kind) => {
                tracing::debug!(%kind, "not looked at, as the engine may not list it");
                Ok(Vec::new())
            }
            listed => listed,
        }
    }

    /// The namespace, where it is the tenant's own.
    async fn own_namespace(&self, place: &Place) -> Result<Option<Object>, Failure> {
        match place.sharing {
            Sharing::Shared => Ok(None),
            Sharing::Own => {
                let id = ObjectId { kind: ObjectKind::Namespace, name: place.namespace.clone() };
                self.object(place, &id, "v1").await
            }
        }
    }

    /// The autoscaler whose target the workload is.
    async fn autoscaler(
        &self,
        found: &Discovered,
        place: &Place,
        workload: &ObjectId,
    ) -> Result<Option<String>, Failure> {
        let Some(version) = &found.autoscaling else { return Ok(None) };
        let resource = Resource::all(version, "horizontalpodautoscalers", Some(&place.namespace));
        let all = self.list_if_known(&Ask::list(resource, "", Part::Whole)).await?;
        let text = |one: &Value, pointer: &str| {
            one.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let its = all.iter().find(|one| {
            text(one, "/spec/scaleTargetRef/kind") == workload.kind.name()
                && text(one, "/spec/scaleTargetRef/name") == workload.name
        });
        Ok(its.map(|one| text(one, "/metadata/name")))
    }

    /// How many of the tenant's pods are behind its services and take requests.
    async fn addresses(
        &self,
        found: &Discovered,
        place: &Place,
        services: &[Object],
    ) -> Result<Option<u32>, Failure> {
        let (Some(version), false) = (&found.endpoint_slices, services.is_empty()) else { return Ok(None) };
        let names: Vec<&str> = services.iter().map(|service| service.id.name.as_str()).collect();
        let labels = format!("kubernetes.io/service-name in ({})", names.join(","));
        let resource = Resource::all(version, "endpointslices", Some(&place.namespace));
        let slices = self.list_if_known(&Ask::list(resource, labels, Part::Whole)).await?;
        let endpoints = slices.iter().filter_map(|slice| slice.get("endpoints")?.as_array()).flatten();
        let ready = endpoints.filter(|endpoint| {
            // Not said is ready.
            endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true)
        });
        // A pod is in a slice for each family of addresses, and in those of each service.
        let pods: BTreeSet<String> = ready.filter_map(pod_of).collect();
        Ok(Some(u32::try_from(pods.len()).unwrap_or(u32::MAX)))
    }

    /// Where routes answer: at the addresses of their gateways.
    async fn gateways(
        &self,
        found: &Discovered,
        place: &Place,
        routes: &[Object],
    ) -> Result<Vec<Entrance>, Failure> {
        let Some(version) = &found.gateways else { return Ok(Vec::new()) };
        let entrances = routes.iter().map(async |route| {
            let parents = route.body.pointer("/spec/parentRefs").and_then(Value::as_array);
            for parent in parents.into_iter().flatten() {
                let text = |key: &str| parent.get(key).and_then(Value::as_str);
                let Some(name) = text("name") else { continue };
                let namespace = text("namespace").unwrap_or(&place.namespace);
                let gateway = Resource::all(version, "gateways", Some(namespace)).named(name);
                let address = match self.get(gateway, Part::Whole).await {
                    Ok(gateway) => gateway.as_ref().and_then(gateway_address),
                    // Somebody else's gateway is none of the engine's rights.
                    Err(Failure { why: Why::Forbidden, .. }) => None,
                    Err(failure) => return Err(failure),
                };
                if address.is_some() {
                    return Ok(Entrance { of: route.id.clone(), port: None, address });
                }
            }
            Ok(Entrance { of: route.id.clone(), port: None, address: None })
        });
        try_join_all(entrances).await
    }
}

/// Whether a port is awaited that a route of this kind leads to.
fn has_route(awaited: &Awaited, kind: ObjectKind) -> bool {
    awaited.serves.iter().any(|serves| match &serves.by {
        ServedBy::Host { of, host: _, path: _ } => of.kind == kind,
        ServedBy::Cluster { .. } | ServedBy::LoadBalancer(_) | ServedBy::Node(_) => false,
    })
}

/// Whether objects of a kind are found by a list.
fn is_listed(kind: ObjectKind) -> bool {
    !matches!(kind, ObjectKind::Namespace | ObjectKind::Secret)
}

/// The pod behind an endpoint, or where that is not said, its address.
fn pod_of(endpoint: &Value) -> Option<String> {
    let pod = endpoint.pointer("/targetRef/uid").or_else(|| endpoint.pointer("/targetRef/name"));
    let pod = pod.or_else(|| endpoint.pointer("/addresses/0"))?;
    pod.as_str().map(str::to_owned)
}

/// Where a service answers from outside; nowhere, where it is for the cluster alone.
fn service_entrances(service: &Object, node: Option<&str>) -> Vec<Entrance> {
    let of = service.id.clone();
    match service.text("/spec/type") {
        Some("LoadBalancer") => vec![Entrance { of, port: None, address: balanced(&service.body) }],
        Some("NodePort") => {
            let ports = service.body.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
            // An address is told of TCP alone, and a port of UDP may have the same number.
            let ports = ports.filter(|port| port.get("protocol").and_then(Value::as_str) != Some("UDP"));
            let entrance = |port: &Value| {
                let number = |key: &str| port.get(key).and_then(Value::as_u64);
                let at = u16::try_from(number("port")?).ok()?;
                // Any node will do, such as the one of a pod.
                let address = node.zip(number("nodePort")).map(|(node, port)| format!("{node}:{port}"));
                Some(Entrance { of: of.clone(), port: Some(at), address })
            };
            ports.filter_map(entrance).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// The address that a load balancer has.
fn balanced(body: &Value) -> Option<String> {
    let ingress = body.pointer("/status/loadBalancer/ingress")?.as_array()?;
    let one = |it: &Value| {
        let text = |key: &str| it.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        text("hostname").or_else(|| text("ip")).map(str::to_owned)
    };
    ingress.iter().find_map(one)
}

fn gateway_address(gateway: &Value) -> Option<String> {
    let addresses = gateway.pointer("/status/addresses")?.as_array()?;
    addresses.iter().find_map(|one| one.get("value")?.as_str()).map(str::to_owned)
}

/// The address of the node that a pod is on.
fn node_address(pod: &Value) -> Option<String> {
    pod.pointer("/status/hostIP").and_then(Value::as_str).filter(|ip| !ip.is_empty()).map(str::to_owned)
}
