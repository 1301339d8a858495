//! What becomes of each field of a spec on ECS.

use crate::spec::{Field, Support};

const NOT_DONE: Support = Support::refused("the ecs provider does not do this; remove it");

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
        | Field::OwnStorage => Support::Mapped,
        Field::ResourcesRequestsCpu
        | Field::ResourcesRequestsMemory
        | Field::OwnRequestsCpu
        | Field::OwnRequestsMemory
        | Field::PortAppProtocol
        | Field::ExposureLevel
        | Field::ExposureHost
        | Field::ExposurePath
        | Field::ExposureTls
        | Field::SecretContainers
        | Field::Replicas
        | Field::VolumeName
        | Field::VolumeSizeMb
        | Field::VolumePersistent
        | Field::VolumeRetain
        | Field::UpdateOrder
        | Field::UpdateDeadlineSeconds
        | Field::UpdateRollback
        | Field::CheckScheme
        | Field::CheckHeaders
        | Field::ContainerRole
        | Field::DependencyContainer
        | Field::DependencyCondition
        | Field::ContainerLiveness
        | Field::StopGraceSeconds
        | Field::StopSignal
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
        | Field::ContainerReadOnlyRoot => NOT_DONE,
    }
}
