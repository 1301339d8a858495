//! What becomes of each field of a spec on a machine.

use crate::spec::{Field, Support};

const NO_NETWORK: Support = Support::not_enforced("there are none on a machine");
const NO_NAMES: Support = Support::not_enforced("no name is registered");
const NO_IMAGES: Support =
    Support::refused("nothing is fetched: an image is \"host\" or a directory; remove it");

/// What this provider makes of a field.
pub fn support(field: Field) -> Support {
    match field {
        Field::TenantId
        | Field::ProviderType
        | Field::ResourcesCpu
        | Field::ResourcesMemory
        | Field::ResourcesStorage
        | Field::SecretName
        | Field::SecretSource
        | Field::SecretKey
        | Field::SecretEnvVar
        | Field::SecretContainers
        | Field::VolumeName
        | Field::VolumePersistent
        | Field::VolumeRetain
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
        | Field::CheckHeaders
        | Field::OwnCpu
        | Field::OwnMemory
        | Field::OwnStorage
        | Field::NetworkingPublicIp
        | Field::UpdateOrder
        | Field::UpdateDeadlineSeconds
        | Field::Replicas
        | Field::ContainerRole
        | Field::DependencyContainer
        | Field::DependencyCondition
        | Field::StopGraceSeconds
        | Field::StopSignal
        | Field::FilePath
        | Field::FileContent
        | Field::FileSecret
        | Field::FileMode
        | Field::MountVolume
        | Field::MountPath
        | Field::MountReadOnly
        | Field::ContainerUser
        | Field::ContainerWorkingDir
        | Field::ContainerReadOnlyRoot => Support::Mapped,
        Field::VolumeSizeMb => Support::not_enforced("a volume has what its disk has"),
        Field::NetworkingSecurityGroups | Field::NetworkingSubnets => NO_NETWORK,
        Field::NetworkingDnsHostname | Field::NetworkingDnsDomain => NO_NAMES,
        Field::PullPolicy | Field::PullCredentials => NO_IMAGES,
        Field::ResourcesRequestsCpu
        | Field::ResourcesRequestsMemory
        | Field::OwnRequestsCpu
        | Field::OwnRequestsMemory => Support::not_enforced("nothing is set aside on a machine"),
        Field::PortAppProtocol => Support::not_enforced("the check says what is spoken"),
        Field::ExposureLevel | Field::ExposureHost | Field::ExposurePath | Field::ExposureTls => {
            Support::refused("addresses of a machine are its own; use networking.public_ip")
        }
        Field::UpdateRollback => {
            Support::refused("an update that fails always goes back to what ran before; remove it")
        }
        Field::CheckScheme => {
            Support::refused("what checks a process speaks no TLS; write a tcp check, or an exec check")
        }
        Field::ContainerLiveness => {
            Support::refused("one check serves clients and repairs here; write it as health_check")
        }
    }
}
