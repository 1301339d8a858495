//! Who reaches the ports of a tenant, and how.

use serde_json::{Value, json};

use super::{body, make, old, on, plain, refused, survey, told, told_on, wanted};
use crate::planner::kubernetes::{ObjectKind, ServedBy, Wanted};
use crate::spec::Spec;
use crate::status::EndpointType;

/// A tenant with one port of this exposure.
fn exposed(exposure: Value, config: Value) -> Spec {
    plain(|spec| {
        spec["containers"][0]["ports"] =
            json!([{ "container_port": 8080, "host_port": 80, "exposure": exposure }]);
        spec["provider_config"] = config;
    })
}

fn services(wanted: &Wanted) -> Vec<(String, String)> {
    let all = wanted.objects.iter().filter(|make| make.id.kind == ObjectKind::Service);
    all.map(|make| (make.id.name.clone(), make.body["spec"]["type"].as_str().unwrap().to_owned())).collect()
}

fn ingress(wanted: &Wanted) -> Value {
    body(wanted, ObjectKind::NetworkPolicy)["spec"]["ingress"].clone()
}

#[test]
fn the_policy_follows_the_level() {
    let of = |level: &str| {
        let config = json!({ "exposure": "load_balancer" });
        let rules = ingress(&wanted(&exposed(json!({ "level": level }), config)));
        let rules = rules.as_array().unwrap().clone();
        // The tenant's own pods reach all of its ports.
        assert!(rules[0].get("ports").is_none() && rules[0]["from"][0].get("podSelector").is_some());
        rules[1..].to_vec()
    };
    let ports = json!([{ "port": 8080, "protocol": "TCP" }]);
    assert_eq!(of("none"), Vec::<Value>::new());
    assert_eq!(of("internal"), [json!({ "from": [{ "namespaceSelector": {} }], "ports": ports })]);
    assert_eq!(of("public"), [json!({ "ports": ports })]);
}

#[test]
fn a_port_that_does_not_say_is_as_the_operator_says() {
    let rules = |config: Value| {
        let spec = plain(|spec| spec["provider_config"] = config);
        ingress(&wanted(&spec)).as_array().unwrap().len()
    };
    assert_eq!(rules(json!({})), 1);
    assert_eq!(rules(json!({ "default_level": "internal" })), 2);
    let none = plain(|spec| spec["provider_config"] = json!({ "network_policy": false }));
    assert!(make(&wanted(&none), ObjectKind::NetworkPolicy).is_none());
}

#[test]
fn pods_reach_the_internet_and_no_other_tenant() {
    let spec = plain(|spec| {
        spec["provider_config"] = json!({ "network_policy_except": ["10.0.0.0/8", "fd00::/8"] });
    });
    insta::assert_json_snapshot!(body(&wanted(&spec), ObjectKind::NetworkPolicy)["spec"]["egress"], @r#"
    [
      {
        "to": [
          {
            "podSelector": {
              "matchLabels": {
                "landlord.engine": "engine",
                "landlord.owner": "landlord",
                "landlord.provider": "kubernetes",
                "landlord.tenant_id": "acme"
              }
            }
          }
        ]
      },
      {
        "ports": [
          {
            "port": 53,
            "protocol": "UDP"
          },
          {
            "port": 53,
            "protocol": "TCP"
          }
        ]
      },
      {
        "to": [
          {
            "ipBlock": {
              "cidr": "0.0.0.0/0",
              "except": [
                "169.254.169.254/32",
                "10.0.0.0/8"
              ]
            }
          },
          {
            "ipBlock": {
              "cidr": "::/0",
              "except": [
                "fd00:ec2::254/128",
                "fd00::/8"
              ]
            }
          }
        ]
      }
    ]
    "#);
}

#[test]
fn a_public_port_has_a_service_of_its_own() {
    for (exposure, kind) in [("load_balancer", "LoadBalancer"), ("node_port", "NodePort")] {
        let spec = plain(|spec| {
            spec["containers"][0]["ports"] = json!([
                { "container_port": 8080, "host_port": 80, "exposure": { "level": "public" } },
                { "container_port": 9090, "exposure": { "level": "internal" } },
            ]);
            spec["provider_config"] =
                json!({ "exposure": exposure, "service_annotations": { "example.com/lb": "nlb" } });
        });
        let wanted = wanted(&spec);
        let expected = [("acme", "ClusterIP"), ("acme-public", kind)];
        assert_eq!(services(&wanted), expected.map(|(name, kind)| (name.to_owned(), kind.to_owned())));
        let of = |name: &str| {
            let found =
                wanted.objects.iter().find(|make| make.id.to_string() == format!("Service/{name}")).unwrap();
            let ports = found.body["spec"]["ports"].as_array().unwrap().clone();
            (ports, found.body["metadata"]["annotations"].get("example.com/lb").is_some())
        };
        let port = json!({ "name": "tcp-80", "port": 80, "protocol": "TCP", "targetPort": "tcp-80" });
        assert_eq!(of("acme-public"), (vec![port], true));
        assert_eq!((of("acme").0.len(), of("acme").1), (2, false));
        let by: Vec<&ServedBy> = wanted.serves.iter().map(|serves| &serves.by).collect();
        assert!(
            matches!(by[..], [ServedBy::LoadBalancer(id) | ServedBy::Node(id), ServedBy::Cluster { address }]
            if id.name == "acme-public" && address == "acme.landlord-acme.svc"),
            "{by:?}"
        );
    }
}

#[test]
fn a_public_address_is_a_load_balancers() {
    let with = |config: Value| {
        plain(|spec| {
            spec["networking"] = json!({ "public_ip": true });
            spec["containers"][0]["ports"] =
                json!([{ "container_port": 80 }, { "container_port": 81, "exposure": { "level": "none" } }]);
            spec["provider_config"] = config;
        })
    };
    let wanted = wanted(&with(json!({})));
    assert_eq!(services(&wanted)[1], ("acme-public".to_owned(), "LoadBalancer".to_owned()));
    let public = wanted.objects.iter().find(|make| make.id.name == "acme-public").unwrap();
    assert_eq!(public.body["spec"]["ports"].as_array().unwrap().len(), 1);
    insta::assert_snapshot!(told(&with(json!({ "exposure": "none" }))), @"networking.public_ip: provider_config.exposure is none: nothing leads here; set provider_config.exposure to load_balancer, node_port, ingress or gateway");
}

#[test]
fn what_nothing_leads_to_is_refused() {
    insta::assert_snapshot!(told(&exposed(json!({ "level": "public" }), json!({}))), @"containers[0].ports[0].exposure.level: nothing leads here from outside; set provider_config.exposure to load_balancer, node_port, ingress or gateway");
    let route = json!({ "level": "public", "host": "a.example", "path": "/x", "tls": true });
    insta::assert_snapshot!(told(&exposed(route, json!({ "exposure": "load_balancer" }))), @"
    containers[0].ports[0].exposure.host: a host needs an ingress or a gateway, which provider_config.exposure does not say; remove it, or change that
    containers[0].ports[0].exposure.path: a path needs an ingress or a gateway, which provider_config.exposure does not say; remove it, or change that
    containers[0].ports[0].exposure.tls: TLS needs an ingress or a gateway, which provider_config.exposure does not say; remove it, or change that
    ");
    let internal = json!({ "level": "internal", "host": "a.example" });
    insta::assert_snapshot!(told(&exposed(internal, json!({ "exposure": "ingress" }))), @"containers[0].ports[0].exposure.host: a host leads to public ports only; remove it, or set level to public");
    insta::assert_snapshot!(told(&exposed(json!({ "level": "public" }), json!({ "exposure": "gateway" }))), @"containers[0].ports[0].exposure.host: missing; without a host it would answer for every tenant: give it, networking.dns, or provider_config.host_pattern");
}

#[test]
fn a_host_is_the_ports_own_else_the_tenants_else_the_patterns() {
    let host = |exposure: Value, dns: Value, pattern: Value| {
        let spec = plain(|spec| {
            spec["containers"][0]["ports"] = json!([{ "container_port": 80, "exposure": exposure }]);
            spec["networking"] = json!({ "dns": dns });
            spec["provider_config"] = json!({ "exposure": "ingress", "host_pattern": pattern });
        });
        match &wanted(&spec).serves[..] {
            [one] => (one.by.clone(), one.port, one.kind),
            other => panic!("{other:?}"),
        }
    };
    let of = |found: (ServedBy, u16, EndpointType)| {
        let ServedBy::Host { host, path, .. } = found.0 else { panic!("{:?}", found.0) };
        (format!("{host}{path}"), found.1, found.2)
    };
    let (dns, pattern) =
        (json!({ "hostname": "www", "domain": "example.org" }), json!("{tenant}.example.com"));
    let own = json!({ "level": "public", "host": "a.example", "path": "/api", "tls": true });
    let plain = json!({ "level": "public" });
    assert_eq!(
        of(host(own, dns.clone(), pattern.clone())),
        ("a.example/api".to_owned(), 443, EndpointType::Https)
    );
    assert_eq!(
        of(host(plain.clone(), dns, pattern.clone())),
        ("www.example.org/".to_owned(), 80, EndpointType::Http)
    );
    assert_eq!(
        of(host(plain, Value::Null, pattern)),
        ("acme.example.com/".to_owned(), 80, EndpointType::Http)
    );
}

/// Ports of two hosts, one of them with two paths.
fn routed(config: Value) -> Spec {
    let to = |host: &str, path: &str, tls: bool| json!({ "level": "public", "host": host, "path": path, "tls": tls });
    plain(|spec| {
        spec["containers"][0]["ports"] = json!([
            { "container_port": 8080, "host_port": 80, "exposure": to("b.example", "/", true) },
            { "container_port": 8081, "exposure": to("a.example", "/api", false) },
            { "container_port": 8082, "exposure": to("b.example", "/admin", false) },
        ]);
        spec["provider_config"] = config;
    })
}

#[test]
fn an_ingress_leads_by_host_and_path() {
    let wanted = wanted(&routed(json!({ "exposure": "ingress", "ingress_class": "traefik" })));
    insta::assert_json_snapshot!(body(&wanted, ObjectKind::Ingress)["spec"], @r#"
    {
      "ingressClassName": "traefik",
      "rules": [
        {
          "host": "a.example",
          "http": {
            "paths": [
              {
                "backend": {
                  "service": {
                    "name": "acme",
                    "port": {
                      "number": 8081
                    }
                  }
                },
                "path": "/api",
                "pathType": "Prefix"
              }
            ]
          }
        },
        {
          "host": "b.example",
          "http": {
            "paths": [
              {
                "backend": {
                  "service": {
                    "name": "acme",
                    "port": {
                      "number": 80
                    }
                  }
                },
                "path": "/",
                "pathType": "Prefix"
              },
              {
                "backend": {
                  "service": {
                    "name": "acme",
                    "port": {
                      "number": 8082
                    }
                  }
                },
                "path": "/admin",
                "pathType": "Prefix"
              }
            ]
          }
        }
      ],
      "tls": [
        {
          "hosts": [
            "b.example"
          ],
          "secretName": "acme-tls"
        }
      ]
    }
    "#);
}

#[test]
fn each_host_has_a_route_of_the_gateway() {
    let gateway = json!({ "name": "web", "namespace": "edge", "section": "https" });
    let spec = routed(json!({ "exposure": "gateway", "gateway": gateway }));
    let routes = |wanted: &Wanted| -> Vec<Value> {
        let all = wanted.objects.iter().filter(|make| make.id.kind == ObjectKind::HttpRoute);
        all.map(|make| json!([make.id.name, make.body["spec"]])).collect()
    };
    let wanted = wanted(&spec);
    insta::assert_json_snapshot!(routes(&wanted), @r#"
    [
      [
        "acme",
        {
          "hostnames": [
            "b.example"
          ],
          "parentRefs": [
            {
              "name": "web",
              "namespace": "edge",
              "sectionName": "https"
            }
          ],
          "rules": [
            {
              "backendRefs": [
                {
                  "name": "acme",
                  "port": 80
                }
              ],
              "matches": [
                {
                  "path": {
                    "type": "PathPrefix",
                    "value": "/"
                  }
                }
              ]
            },
            {
              "backendRefs": [
                {
                  "name": "acme",
                  "port": 8082
                }
              ],
              "matches": [
                {
                  "path": {
                    "type": "PathPrefix",
                    "value": "/admin"
                  }
                }
              ]
            }
          ]
        }
      ],
      [
        "acme-8926b06e40",
        {
          "hostnames": [
            "a.example"
          ],
          "parentRefs": [
            {
              "name": "web",
              "namespace": "edge",
              "sectionName": "https"
            }
          ],
          "rules": [
            {
              "backendRefs": [
                {
                  "name": "acme",
                  "port": 8081
                }
              ],
              "matches": [
                {
                  "path": {
                    "type": "PathPrefix",
                    "value": "/api"
                  }
                }
              ]
            }
          ]
        }
      ]
    ]
    "#);
    let of: Vec<&str> = wanted
        .serves
        .iter()
        .map(|serves| {
            let ServedBy::Host { of, .. } = &serves.by else { panic!("{serves:?}") };
            &*of.name
        })
        .collect();
    assert_eq!(of[0], "acme");
    assert!(of[2] == "acme" && of[1] != "acme" && of[1].starts_with("acme-"), "{of:?}");
}

#[test]
fn a_cluster_that_lacks_what_was_asked_for_is_told() {
    let gateway = json!({ "exposure": "gateway", "gateway": { "name": "web", "namespace": "edge" }, "host_pattern": "{tenant}.example" });
    let spec = exposed(json!({ "level": "public" }), gateway);
    insta::assert_snapshot!(told_on(&spec, &old()), @"provider_config.exposure: this cluster has no HTTPRoute (gateway.networking.k8s.io/v1); install it, or choose another exposure");
    let mixed = plain(|spec| {
        spec["networking"] = json!({ "public_ip": true });
        spec["containers"][0]["ports"] =
            json!([{ "container_port": 53 }, { "container_port": 53, "protocol": "udp" }]);
    });
    assert_eq!(services(&on(&mixed, &survey(24))).len(), 2);
    insta::assert_snapshot!(told_on(&mixed, &survey(23)), @"containers: Kubernetes 1.23 has no load balancers with tcp and udp ports; expose one kind of them");
}

#[test]
fn two_ports_do_not_stand_at_one_place() {
    let same = plain(|spec| {
        let port = |port: u16| json!({ "container_port": port, "exposure": { "level": "public", "host": "a.example" } });
        spec["containers"][0]["ports"] = json!([port(80), port(81)]);
        spec["provider_config"] = json!({ "exposure": "ingress" });
    });
    insta::assert_snapshot!(told(&same), @"containers: ports 80 and 81 are both at a.example/; give one of them another exposure.host or exposure.path");
    let twice = plain(|spec| {
        spec["containers"].as_array_mut().unwrap().push(json!({
            "name": "b", "image": "b", "ports": [{ "container_port": 80 }, { "container_port": 8080, "host_port": 80 }] }));
    });
    insta::assert_snapshot!(told(&twice), @"
    containers[1].ports[0].container_port: 80/tcp is container web's, and containers of a pod share one network interface
    containers[1].ports[1].host_port: the Service's port 80/tcp leads to 80 already; give one of them another host_port
    ");
}

#[test]
fn paths_and_hosts_are_ones_that_kubernetes_takes() {
    let paths = |exposure: Value| {
        let mut exposure = exposure;
        exposure["level"] = json!("public");
        let spec = exposed(exposure, json!({ "exposure": "ingress", "host_pattern": "{tenant}.example" }));
        super::problems(&spec).into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    for path in ["/a//b", "/a/../b", "/a/.", "/a%2fb", "/a b", "/ü"] {
        assert_eq!(paths(json!({ "path": path })), ["containers[0].ports[0].exposure.path"], "{path}");
    }
    for host in ["A.example", "a_b.example", "10.0.0.1", "a..b", "*.*.example"] {
        assert_eq!(paths(json!({ "host": host })), ["containers[0].ports[0].exposure.host"], "{host}");
    }
    assert_eq!(paths(json!({ "host": "*.example", "path": "/a/b" })), Vec::<String>::new());
}

#[test]
fn ports_are_called_what_people_call_them_where_that_can_be() {
    let ports = |ports: Value| -> Vec<(String, String)> {
        let spec = plain(|spec| spec["containers"][0]["ports"] = ports);
        let ports = body(&wanted(&spec), ObjectKind::Service)["spec"]["ports"].clone();
        let text = |port: &Value, key: &str| port[key].as_str().unwrap().to_owned();
        ports.as_array().unwrap().iter().map(|port| (text(port, "name"), text(port, "targetPort"))).collect()
    };
    let found = ports(json!([
        { "container_port": 80, "name": "http" },
        { "container_port": 81, "name": "http" },
        { "container_port": 82, "name": "The Port" },
        { "container_port": 83, "name": "tcp-84" },
        { "container_port": 84 },
        { "container_port": 53, "protocol": "udp" },
    ]));
    let names: Vec<&str> = found.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["http", "tcp-81", "tcp-82", "tcp-83", "tcp-84", "udp-53"]);
    // By these old pods are found, too, so they are the Service's.
    assert!(found.iter().all(|(_, target)| target.starts_with("tcp-") || target == "udp-53"));
}

#[test]
fn a_protocol_is_called_as_kubernetes_calls_it() {
    let of = |given: &str| {
        let spec = plain(|spec| spec["containers"][0]["ports"][0]["app_protocol"] = json!(given));
        let wanted = wanted(&spec);
        let port = body(&wanted, ObjectKind::Service)["spec"]["ports"][0]["appProtocol"].clone();
        (port.as_str().unwrap().to_owned(), wanted.serves[0].kind)
    };
    assert_eq!(of("http"), ("http".to_owned(), EndpointType::Http));
    assert_eq!(of("http2"), ("kubernetes.io/h2c".to_owned(), EndpointType::Http));
    assert_eq!(of("grpc"), ("grpc".to_owned(), EndpointType::Grpc));
    assert_eq!(of("example.com/mine"), ("example.com/mine".to_owned(), EndpointType::Tcp));
    let wrong = refused(|spec| spec["containers"][0]["ports"][0]["app_protocol"] = json!("a b"));
    assert_eq!(wrong, ["containers[0].ports[0].app_protocol"]);
}

#[test]
fn a_tenant_without_ports_has_no_service() {
    let spec = plain(|spec| spec["containers"][0]["ports"] = json!([]));
    assert_eq!((services(&wanted(&spec)), wanted(&spec).serves), (vec![], vec![]));
    let init = plain(|spec| {
        spec["containers"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "name": "m", "image": "m", "role": "init", "ports": [{ "container_port": 81 }] }));
    });
    assert_eq!(wanted(&init).serves.len(), 1);
}
