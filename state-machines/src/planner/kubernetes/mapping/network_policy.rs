//! Who reaches the pods, and whom they reach.

use serde_json::{Value, json};

use super::Mapping;
use super::ports::{Port, Reach};
use crate::planner::kubernetes::{ObjectKind, tags};

/// Where clouds hand out the credentials of a node.
const METADATA: [&str; 2] = ["169.254.169.254/32", "fd00:ec2::254/128"];

/// Nobody but the tenant's own pods, except for ports that others are to reach; and nothing but these, DNS, and what is outside
/// of the cluster.
pub(super) fn network_policy(m: &mut Mapping<'_>, ports: &[Port<'_>]) {
    if !m.config.network_policy {
        return;
    }
    let own = tags::stable(m.subject);
    let own = json!([{ "podSelector": { "matchLabels": own } }]);
    let of = |reached: &dyn Fn(&Reach) -> bool| -> Vec<Value> {
        let those = ports.iter().filter(|port| reached(&port.reach));
        those.map(|port| json!({ "port": port.container_port, "protocol": port.protocol.name() })).collect()
    };
    let mut ingress = vec![json!({ "from": own })];
    let internal = of(&|reach| *reach == Reach::Cluster);
    if !internal.is_empty() {
        ingress.push(json!({ "from": [{ "namespaceSelector": {} }], "ports": internal }));
    }
    let public = of(&|reach| matches!(reach, Reach::Everybody(_)));
    if !public.is_empty() {
        ingress.push(json!({ "ports": public }));
    }
    let excepted = |v6: bool| -> Vec<&str> {
        let own = m.config.network_policy_except.iter().map(String::as_str);
        METADATA.into_iter().chain(own).filter(|range| range.contains(':') == v6).collect()
    };
    let dns = ["UDP", "TCP"].map(|protocol| json!({ "port": 53, "protocol": protocol }));
    let egress = json!([
        { "to": own },
        { "ports": dns },
        { "to": [
            { "ipBlock": { "cidr": "0.0.0.0/0", "except": excepted(false) } },
            { "ipBlock": { "cidr": "::/0", "except": excepted(true) } },
        ] },
    ]);
    let spec = json!({
        "podSelector": { "matchLabels": tags::stable(m.subject) },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    });
    m.push(ObjectKind::NetworkPolicy, &m.names.plain(), json!({ "spec": spec }));
}
