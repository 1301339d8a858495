//! What becomes of each field of a spec on ECS.

use crate::spec::{Field, Support};

const ONE_SIZE: Support = Support::refused(
    "a task has one size, all of which is set aside; remove it and make resources smaller, or ask for less in a container",
);
const BALANCER: Support = Support::not_enforced(
    "the listeners and rules of the load balancer are not the provider's; its owner sets them",
);
const NO_FILES: Support = Support::refused(
    "ECS puts no files into a container; build them into the image, or let an init container write them to a volume",
);

/// What this provider makes of a field.
pub fn support(field: Field) -> Support {
    match field {
        Field::TenantId
        | Field::ProviderType
        | Field::ResourcesCpu
        | Field::ResourcesMemory
        | Field::ResourcesStorage
        | Field::NetworkingPublicIp
        | Field::NetworkingSecurityGroups
        | Field::NetworkingSubnets
        | Field::NetworkingDnsHostname
        | Field::NetworkingDnsDomain
        | Field::SecretName
        | Field::SecretSource
        | Field::SecretKey
        | Field::SecretEnvVar
        | Field::Labels
        | Field::ProviderConfig
        | Field::DeletionProtection
        | Field::ContainerName
        | Field::ContainerImage
        | Field::ContainerCommand
        | Field::ContainerArgs
        | Field::ContainerEnv
        | Field::ContainerPort
        | Field::HostPort
        | Field::PortProtocol
        | Field::PortName
        | Field::CheckType
        | Field::CheckHttpPath
        | Field::CheckPort
        | Field::CheckCommand
        | Field::CheckIntervalSeconds
        | Field::CheckTimeoutSeconds
        | Field::CheckHealthyThreshold
        | Field::CheckUnhealthyThreshold
        | Field::CheckStartPeriodSeconds
        | Field::OwnCpu
        | Field::OwnMemory
        | Field::OwnStorage
        | Field::OwnRequestsMemory
        | Field::PortAppProtocol
        | Field::ExposureLevel
        | Field::SecretContainers
        | Field::Replicas
        | Field::VolumeName
        | Field::VolumePersistent
        | Field::VolumeRetain
        | Field::UpdateOrder
        | Field::UpdateDeadlineSeconds
        | Field::CheckScheme
        | Field::CheckHeaders
        | Field::ContainerRole
        | Field::DependencyContainer
        | Field::DependencyCondition
        | Field::StopGraceSeconds
        | Field::MountVolume
        | Field::MountPath
        | Field::MountReadOnly
        | Field::PullCredentials
        | Field::ContainerUser
        | Field::ContainerWorkingDir
        | Field::ContainerReadOnlyRoot => Support::Mapped,
        Field::ResourcesRequestsCpu | Field::ResourcesRequestsMemory => ONE_SIZE,
        Field::OwnRequestsCpu => {
            Support::not_enforced("what is set aside for a container is its resources.cpu")
        }
        Field::ExposureHost | Field::ExposurePath | Field::ExposureTls => BALANCER,
        Field::VolumeSizeMb => {
            Support::not_enforced("EFS has no sizes, and what is not persistent shares the task's storage")
        }
        Field::ContainerLiveness => Support::refused(
            "ECS has one check a container, and replaces the tasks that fail it; write it as health_check",
        ),
        Field::UpdateRollback => {
            Support::refused("an update that fails always goes back to what ran before; remove it")
        }
        Field::StopSignal => Support::refused(
            "ECS sends the signal that the image names; remove it and set STOPSIGNAL in the image",
        ),
        Field::PullPolicy => Support::not_enforced(
            "FARGATE fetches for each task, and on EC2 the setting ECS_IMAGE_PULL_BEHAVIOR of the agent decides",
        ),
        Field::FilePath | Field::FileContent | Field::FileSecret | Field::FileMode => NO_FILES,
    }
}
