//! OCI references.

use landlord_state_machines::spec::oci_image_problem;

use crate::checked;

#[test]
fn valid_references_are_accepted() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for good in [
        "nginx",
        "nginx:1.28",
        "library/nginx",
        "a/b/c/d",
        "docker.io/library/nginx:latest",
        "localhost/app",
        "localhost:5000/app:v1",
        "registry.example.com:443/team/app_one/app__two/app---three.four:V1.2_x",
        "Registry/app",
        "[2001:db8::1]:5000/app",
        "[::1]/app",
        "123.dkr.ecr.eu-west-1.amazonaws.com/app:1",
        &format!("nginx@{digest}"),
        &format!("localhost:5000/nginx:1.28@{digest}"),
        &format!("nginx@sha512:{}", "0".repeat(128)),
        &format!("nginx@sha384:{}", "0".repeat(96)),
        &"a".repeat(255),
        &format!("a:{}", "t".repeat(128)),
    ] {
        assert_eq!(oci_image_problem(good), None, "{good}");
    }
}

#[test]
fn invalid_references_are_refused_with_the_reason() {
    let mut listing = String::new();
    for bad in [
        "",
        ":1",
        "@sha256:aa",
        "Nginx",
        "library/Nginx",
        "nginx:",
        "nginx:-1",
        "nginx:.1",
        "nginx: 1",
        "nginx:1:2",
        "nginx latest",
        "nginx\n",
        "https://example.com/app",
        "a//b",
        "/a",
        "a/",
        "a..b",
        "a___b",
        "a_.b",
        "_a",
        "a_",
        "-a",
        "a-",
        "a+b",
        "ünicode",
        "host:port/app",
        "host:/app",
        "-host.com/app",
        "host-.com/app",
        "host..com/app",
        "[::1/app",
        "[nope]/app",
        "localhost/",
        "nginx@",
        "nginx@sha256",
        "nginx@sha256:abc",
        "nginx@md5:d41d8cd98f00b204e9800998ecf8427e",
        &format!("nginx@sha256:{}", "A".repeat(64)),
        &"a".repeat(64),
        &"b".repeat(256),
        &format!("a:{}", "t".repeat(129)),
    ] {
        let problem = oci_image_problem(bad).unwrap_or_else(|| panic!("{bad} was accepted"));
        let reason = problem.split(';').next().unwrap_or_default();
        listing += &format!("{:<28} {}\n", format!("{:?}", bad.chars().take(24).collect::<String>()), reason);
    }
    insta::assert_snapshot!(listing);
}

#[test]
fn a_spec_reports_each_image_that_is_no_reference() {
    let spec = checked(|spec| {
        spec.containers[0].image = "/usr/bin/web".into();
        spec.containers[1].image = "Worker".into();
    });
    insta::assert_snapshot!(spec.check_images().unwrap_err());
    assert_eq!(checked(|_| {}).check_images(), Ok(()));
}
