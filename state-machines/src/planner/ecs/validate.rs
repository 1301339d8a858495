//! What a spec must be to run on ECS. Asks nobody.

use super::mapping;
use crate::spec::{Invalid, Problem, Spec};

/// What a spec can ask for and ECS does not enforce, each with the reason.
pub const NOT_ENFORCED: &[&str] = &[
    "containers[].health_check.healthy_threshold: one check that passes makes a container healthy",
    "containers[].health_check.timeout_seconds: 1 becomes 2, the shortest that there is",
    "containers[].health_check: http and tcp checks run in the container, which needs curl or wget, nc or bash",
    "containers[].resources.cpu: a share while the task's processors are busy, not a limit",
    "containers[].resources.storage: the containers of a task share its storage",
    "resources.cpu, resources.memory: on Fargate the next size that is not smaller",
    "containers[].health_check.headers: in an image without curl, wget has to know --header",
    "containers[].ports[].exposure.level: who gets through to the load balancer is its owner's to say; none keeps nobody out, \
     security groups do",
    "volumes[].retain: nothing on EFS is removed, also not by release",
    "PORT, PORT_<name>: a container has them where one of its texts names them, as $(PORT)",
    "networking.dns: no name is made; it is where service discovery registers the tasks",
];

/// Every problem of the spec, each with its path.
pub fn problems(spec: &Spec) -> Vec<Problem> {
    mapping::map(spec).1
}

/// Whether a spec can run on ECS, as far as the spec alone shows.
///
/// # Errors
/// Every problem.
pub fn check(spec: &Spec) -> Result<(), Invalid> {
    Invalid::unless_empty(problems(spec))
}
