//! What is exported and where to: as a program's own configuration says it, and OpenTelemetry's standard variables over that.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use crate::sampler::{Sampler, SamplerError};

/// What is exported and where to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// Whether anything is exported over OTLP. A Prometheus endpoint is there all the same.
    pub enabled: bool,
    /// Where traces are sent; none: nowhere.
    pub traces: Option<Uri>,
    /// Where metrics are sent; none: nowhere.
    pub metrics: Option<Uri>,
    /// What each request has besides. It may hold a secret, and is printed nowhere.
    pub headers: Headers,
    /// What the program is called.
    pub service_name: String,
    /// What else is said of the program.
    pub resource: BTreeMap<String, String>,
    /// Which operations are traced.
    pub sampler: Sampler,
    /// How often metrics are sent.
    pub interval: Duration,
    /// How long a request may take.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            traces: None,
            metrics: None,
            headers: Headers::default(),
            service_name: "landlord-compute".to_owned(),
            resource: BTreeMap::new(),
            sampler: Sampler::default(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
        }
    }
}

/// The headers of requests to a receiver. They are not shown.
#[derive(Clone, Default, PartialEq)]
pub struct Headers(pub(crate) Vec<(HeaderName, HeaderValue)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What cannot be understood of the settings. No value of a header is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is no address of a receiver.
    #[error("{name}: {text:?} is no address; give one such as http://localhost:4318")]
    Endpoint {
        /// What says it.
        name: String,
        /// What it says.
        text: String,
    },
    /// The headers are none.
    #[error(
        "{name}: the headers cannot be read; give name=value, with a comma between two, and %-encode what is special"
    )]
    Headers {
        /// What says it.
        name: String,
    },
    /// It is no number of milliseconds.
    #[error("{name}: {text:?} is no number of milliseconds above 0")]
    Milliseconds {
        /// What says it.
        name: String,
        /// What it says.
        text: String,
    },
    /// The pairs are none.
    #[error("{name}: {text:?} is no key=value, with a comma between two")]
    Resource {
        /// What says it.
        name: String,
        /// What it says.
        text: String,
    },
    /// The protocol is not spoken.
    #[error(
        "{name}: {text:?} is not spoken; leave it out, or say http/protobuf, and give the receiver's port for that (4318)"
    )]
    Protocol {
        /// What says it.
        name: String,
        /// What it says.
        text: String,
    },
    /// It is no exporter.
    #[error("{name}: {text:?} is no exporter that there is; say otlp or none")]
    Exporter {
        /// What says it.
        name: String,
        /// What it says.
        text: String,
    },
    /// The sampler is none.
    #[error("{name}: {cause}")]
    Sampler {
        /// What says it.
        name: String,
        /// Why.
        cause: SamplerError,
    },
}

impl Headers {
    /// As `OTEL_EXPORTER_OTLP_HEADERS` has them: `name=value`, with a comma between two, and special letters %-encoded.
    ///
    /// # Errors
    /// [`SettingsError::Headers`], which says that `name` has them.
    pub fn parse(name: &str, text: &str) -> Result<Self, SettingsError> {
        let bad = || SettingsError::Headers { name: name.to_owned() };
        let headers = text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').ok_or_else(bad)?;
            let key = HeaderName::try_from(key.trim()).map_err(|_| bad())?;
            let value: Vec<u8> = percent_decode_str(value.trim()).collect();
            let mut value = HeaderValue::try_from(value).map_err(|_| bad())?;
            value.set_sensitive(true);
            Ok((key, value))
        });
        headers.collect::<Result<_, _>>().map(Self)
    }
}

impl Settings {
    /// With a receiver that takes traces and metrics at the usual paths below this address.
    ///
    /// # Errors
    /// [`SettingsError::Endpoint`], which says that `name` has it.
    pub fn endpoint(mut self, name: &str, address: &str) -> Result<Self, SettingsError> {
        let below = address.trim_end_matches('/');
        self.traces = Some(uri(name, &format!("{below}/v1/traces"))?);
        self.metrics = Some(uri(name, &format!("{below}/v1/metrics"))?);
        Ok(self)
    }

    /// What OpenTelemetry's variables say goes before what these settings say. A variable that is empty is as one that is not
    /// there.
    ///
    /// # Errors
    /// [`SettingsError`]: the first variable that cannot be understood.
    pub fn over_by(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let given = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
        if let Some(text) = given("OTEL_SDK_DISABLED") {
            self.enabled = !text.trim().eq_ignore_ascii_case("true");
        }
        for name in [
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        ] {
            if let Some(text) = given(name).filter(|text| text != "http/protobuf") {
                return Err(SettingsError::Protocol { name: name.to_owned(), text });
            }
        }
        if let Some(address) = given("OTEL_EXPORTER_OTLP_ENDPOINT") {
            self = self.endpoint("OTEL_EXPORTER_OTLP_ENDPOINT", &address)?;
        }
        let signals = [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER", &mut self.traces),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_METRICS_EXPORTER", &mut self.metrics),
        ];
        for (endpoint, exporter, signal) in signals {
            if let Some(address) = given(endpoint) {
                *signal = Some(uri(endpoint, &address)?);
            }
            match given(exporter).as_deref().map(str::trim) {
                None | Some("otlp") => {}
                Some("none") => *signal = None,
                Some(text) => {
                    return Err(SettingsError::Exporter { name: exporter.to_owned(), text: text.to_owned() });
                }
            }
        }
        if let Some(text) = given("OTEL_EXPORTER_OTLP_HEADERS") {
            self.headers = Headers::parse("OTEL_EXPORTER_OTLP_HEADERS", &text)?;
        }
        if let Some(text) = given("OTEL_RESOURCE_ATTRIBUTES") {
            self.resource.extend(pairs("OTEL_RESOURCE_ATTRIBUTES", &text)?);
        }
        if let Some(name) = self.resource.remove("service.name") {
            self.service_name = name;
        }
        if let Some(name) = given("OTEL_SERVICE_NAME") {
            self.service_name = name;
        }
        if let Some(name) = given("OTEL_TRACES_SAMPLER") {
            let argument = given("OTEL_TRACES_SAMPLER_ARG");
            self.sampler =
                Sampler::named(name.trim(), argument.as_deref().map(str::trim)).map_err(|cause| {
                    let name = match &cause {
                        SamplerError::Unknown(_) => "OTEL_TRACES_SAMPLER",
                        SamplerError::Share(_) => "OTEL_TRACES_SAMPLER_ARG",
                    };
                    SettingsError::Sampler { name: name.to_owned(), cause }
                })?;
        }
        for (name, span) in [
            ("OTEL_METRIC_EXPORT_INTERVAL", &mut self.interval),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", &mut self.timeout),
        ] {
            if let Some(text) = given(name) {
                let milliseconds = text.trim().parse().ok().filter(|milliseconds| *milliseconds > 0);
                let bad = || SettingsError::Milliseconds { name: name.to_owned(), text: text.clone() };
                *span = Duration::from_millis(milliseconds.ok_or_else(bad)?);
            }
        }
        Ok(self)
    }
}

fn uri(name: &str, address: &str) -> Result<Uri, SettingsError> {
    let found = Uri::try_from(address)
        .ok()
        .filter(|uri| uri.authority().is_some() && matches!(uri.scheme_str(), Some("http" | "https")));
    found.ok_or_else(|| SettingsError::Endpoint { name: name.to_owned(), text: address.to_owned() })
}

fn pairs(name: &str, text: &str) -> Result<BTreeMap<String, String>, SettingsError> {
    let bad = || SettingsError::Resource { name: name.to_owned(), text: text.to_owned() };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').ok_or_else(bad)?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| bad())?;
        Ok((key.trim().to_owned(), value.into_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn over(settings: Settings, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let find = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        settings.over_by(find)
    }

    #[test]
    fn the_environment_goes_before_what_was_configured() {
        let configured = Settings::default().endpoint("file", "http://one:4318/").unwrap();
        assert_eq!(configured.traces.as_ref().unwrap(), "http://one:4318/v1/traces");
        let settings = over(
            configured.clone(),
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://two/base"),
                ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://three:1/all"),
                ("OTEL_SERVICE_NAME", "fleet"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,zone=a%2Cb"),
                ("OTEL_TRACES_SAMPLER", "always_off"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "1500"),
            ],
        )
        .unwrap();
        assert_eq!(settings.traces.unwrap(), "https://two/base/v1/traces");
        assert_eq!(settings.metrics.unwrap(), "http://three:1/all");
        assert_eq!((settings.service_name.as_str(), settings.resource["zone"].as_str()), ("fleet", "a,b"));
        assert_eq!(settings.sampler, Sampler::named("always_off", None).unwrap());
        assert_eq!(settings.interval, Duration::from_millis(1500));
        assert_eq!(over(configured.clone(), &[("OTEL_SDK_DISABLED", "")]).unwrap(), configured);
        assert!(!over(configured.clone(), &[("OTEL_SDK_DISABLED", "True")]).unwrap().enabled);
        assert_eq!(over(configured, &[("OTEL_TRACES_EXPORTER", "none")]).unwrap().traces, None);
    }

    #[test]
    fn a_secret_in_a_header_is_not_printed_also_where_it_is_wrong() {
        let headers = "authorization=Bearer%20sentinel-1, x-key=sentinel-2";
        let settings = over(Settings::default(), &[("OTEL_EXPORTER_OTLP_HEADERS", headers)]).unwrap();
        assert_eq!(settings.headers.0[0].1, "Bearer sentinel-1");
        let printed = format!("{settings:?}");
        assert!(printed.contains("authorization") && !printed.contains("sentinel"), "{printed}");
        let wrong = over(Settings::default(), &[("OTEL_EXPORTER_OTLP_HEADERS", "sentinel-3")]).unwrap_err();
        assert!(!format!("{wrong} {wrong:?}").contains("sentinel"));
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for (name, text) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
            ("OTEL_RESOURCE_ATTRIBUTES", "zone"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ] {
            let error = over(Settings::default(), &[(name, text)]).unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
