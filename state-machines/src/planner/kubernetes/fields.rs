//! What becomes of each field of a spec on Kubernetes.

use crate::spec::{Field, Support};

const NO_GROUPS: Support = Support::not_enforced(
    "pods have none; network_policy in the provider's configuration says who reaches them",
);

/// What this provider makes of a field.
pub fn support(field: Field) -> Support {
    match field {
        Field::TenantId
        | Field::ProviderType
        | Field::ResourcesCpu
        | Field::ResourcesMemory
        | Field::ResourcesStorage
        | Field::ResourcesRequestsCpu
        | Field::ResourcesRequestsMemory
        | Field::NetworkingPublicIp
        | Field::NetworkingDnsHostname
        | Field::NetworkingDnsDomain
        | Field::SecretName
        | Field::SecretSource
        | Field::SecretKey
        | Field::SecretEnvVar
        | Field::SecretContainers
        | Field::Labels
        | Field::ProviderConfig
        | Field::Replicas
        | Field::VolumeName
        | Field::VolumeSizeMb
        | Field::VolumePersistent
        | Field::VolumeRetain
        | Field::UpdateOrder
        | Field::UpdateDeadlineSeconds
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
        | Field::PortAppProtocol
        | Field::ExposureLevel
        | Field::ExposureHost
        | Field::ExposurePath
        | Field::ExposureTls
        | Field::CheckType
        | Field::CheckHttpPath
        | Field::CheckPort
        | Field::CheckCommand
        | Field::CheckIntervalSeconds
        | Field::CheckTimeoutSeconds
        | Field::CheckHealthyThreshold
        | Field::CheckUnhealthyThreshold
        | Field::CheckStartPeriodSeconds
        | Field::CheckScheme
        | Field::CheckHeaders
        | Field::OwnCpu
        | Field::OwnMemory
        | Field::OwnStorage
        | Field::OwnRequestsCpu
        | Field::OwnRequestsMemory
        | Field::ContainerRole
        | Field::DependencyContainer
        | Field::DependencyCondition
        | Field::ContainerLiveness
        | Field::StopGraceSeconds
        | Field::FilePath
        | Field::FileContent
        | Field::FileSecret
        | Field::FileMode
        | Field::MountVolume
        | Field::MountPath
        | Field::MountReadOnly
        | Field::PullPolicy
        | Field::PullCredentials
        | Field::ContainerUser
        | Field::ContainerWorkingDir
        | Field::ContainerReadOnlyRoot => Support::Mapped,
        Field::NetworkingSecurityGroups | Field::NetworkingSubnets => NO_GROUPS,
        Field::UpdateRollback => {
            Support::refused("an update that fails always goes back to what ran before; remove it")
        }
        Field::StopSignal => Support::refused(
            "Kubernetes sends the signal that the image names; remove it and set STOPSIGNAL in the image",
        ),
    }
}
