//! The kinds of providers that this program was built with, a line each. Nothing else here names a provider.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};
use landlord_compute::provider::{Provider, ProviderKind, Setup, SetupError};
use landlord_provider_process::ProcessKind;

use super::failure::Failure;

/// The provider that every build of this program has. The demo uses it, and its logs are beside the store.
pub(crate) const DEFAULT: &str = ProcessKind::KIND;

/// All of them.
pub(crate) const BUILT_WITH: &[Built] = &[
    Built::with::<ProcessKind>(),
    #[cfg(any(test, feature = "ecs"))]
    Built::with::<landlord_provider_ecs::EcsKind>(),
    #[cfg(any(test, feature = "kubernetes"))]
    Built::with::<landlord_provider_kubernetes::KubernetesKind>(),
];

/// The options of every command.
pub(crate) const GLOBAL: &str = "Global options";

/// The machine that is no planner's: a tenant's life.
pub(crate) const TENANT: &str = "tenant";

/// What can be drawn: a tenant's life, and what each planner knows of its platform.
pub(crate) fn machines() -> impl Iterator<Item = &'static str> {
    std::iter::once(TENANT).chain(BUILT_WITH.iter().map(|built| built.kind))
}

/// Becomes what a provider has started this program as, if it has.
pub(crate) fn run_if_asked() {
    landlord_provider_process::keeper::run_if_asked();
}

/// What process 1 does for the program that runs as its child, if this is process 1; what that ended with.
pub(crate) fn run_if_process_1() -> Result<Option<ExitCode>, Failure> {
    let ended = landlord_provider_process::init::run_if_process_1();
    ended.map_err(|error| Failure::System { doing: error.doing, source: error.source })
}

/// A kind of provider.
pub(crate) struct Built {
    pub(crate) kind: &'static str,
    pub(crate) diagram: fn() -> &'static str,
    pub(crate) secret_targets: &'static [&'static str],
    pub(crate) start: fn(Setup) -> Result<Arc<dyn Provider>, SetupError>,
    platform: &'static str,
    pub(crate) needs_config: bool,
    #[cfg(test)]
    planner_with_faults: &'static str,
}

impl Built {
    #[cfg(not(test))]
    const fn with<K: ProviderKind>() -> Self {
        Self::of::<K>()
    }

    /// In a test a kind whose planner was tried against no faults cannot be listed.
    #[cfg(test)]
    const fn with<K: ProviderKind + landlord_testing::faults::Faulted>() -> Self {
        let planner = <K::Model as landlord_testing::faults::Model>::NAME;
        Self { planner_with_faults: planner, ..Self::of::<K>() }
    }

    const fn of<K: ProviderKind>() -> Self {
        Self {
            kind: K::KIND,
            diagram: K::diagram,
            secret_targets: K::SECRET_TARGETS,
            start: K::start,
            platform: K::PLATFORM,
            needs_config: K::NEEDS_CONFIG,
            #[cfg(test)]
            planner_with_faults: "",
        }
    }

    /// The option that names its configuration: `ecs-config`.
    pub(crate) fn option(&self) -> String {
        format!("{}-config", self.kind)
    }

    fn variable(&self) -> String {
        format!("LANDLORD_{}_CONFIG", self.kind.to_uppercase())
    }
}

/// The files with the configuration of kinds that need one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configs(pub(crate) BTreeMap<&'static str, PathBuf>);

impl Configs {
    /// Whether there is one.
    pub(crate) fn is_given(&self) -> bool {
        !self.0.is_empty()
    }
}

impl FromArgMatches for Configs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut configs = Self::default();
        configs.update_from_arg_matches(matches)?;
        Ok(configs)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for built in BUILT_WITH {
            let given = matches.try_get_one::<PathBuf>(&built.option());
            let given = given.map_err(|error| clap::Error::raw(ErrorKind::UnknownArgument, error))?;
            self.0.extend(given.map(|file| (built.kind, file.clone())));
        }
        Ok(())
    }
}

impl Args for Configs {
    fn augment_args(command: Command) -> Command {
        BUILT_WITH.iter().fold(command, |command, built| {
            let platform = built.platform;
            let help = match built.needs_config {
                true => format!("Run tenants on {platform} too, over this configuration: .json or YAML"),
                false => format!("Run tenants on {platform} as this configuration says: .json or YAML"),
            };
            let file = Arg::new(built.option())
                .long(built.option())
                .global(true)
                .env(built.variable())
                .hide_env_values(true)
                .help(help)
                .help_heading(GLOBAL)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf));
            command.arg(file)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// A planner cannot be added without being tested against faults, and being in the program.
    #[test]
    fn every_planner_has_its_faults() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../state-machines/src/planner");
        let planners: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|module| module != "mod")
            .collect();
        let tested: BTreeSet<String> =
            BUILT_WITH.iter().map(|built| built.planner_with_faults.to_owned()).collect();
        let built: BTreeSet<String> = BUILT_WITH.iter().map(|built| built.kind.to_owned()).collect();
        assert_eq!(planners, tested, "give the planner's provider a `Model`, and BUILT_WITH its kind");
        assert_eq!(planners, built, "a kind has the name of its planner");
    }
}
