//! `providers`: what tenants can run on, and what their configuration may hold.

use landlord_api::ProviderDocument;
use landlord_compute::machines::id::ProviderName;
use serde_json::Value;

use super::failure::Failure;
use super::place::Place;
use super::screen::{Screen, table};

/// Lists the providers, or shows the configuration of one.
pub(crate) async fn providers(
    screen: &Screen,
    place: &Place,
    name: Option<&ProviderName>,
) -> Result<(), Failure> {
    let look = place.look_if_there().await;
    let Some(name) = name else {
        let listed = look.providers().await?;
        return screen
            .show(&listed, || table(["provider", "not enforced there"], listed.providers.iter().map(row)));
    };
    let document = look.provider(name).await?;
    screen.show(&document, || {
        let (schema, defaults) = (document.config_schema.as_ref(), document.config_defaults.as_ref());
        let fields = schema.and_then(|schema| schema["properties"].as_object());
        let rows = fields.into_iter().flatten().map(|(field, about)| {
            let text = about["description"].as_str().unwrap_or_default().replace('\n', " ");
            [field.clone(), default(defaults, about, field), text]
        });
        table(["provider_config", "default", ""], rows)
    })
}

fn row(provider: &ProviderDocument) -> [String; 2] {
    [provider.name.to_string(), provider.capabilities.not_enforced.join("\n")]
}

/// What a field is where a spec does not give it: as the operator says, else as the provider does.
fn default(operators: Option<&Value>, about: &Value, field: &str) -> String {
    match operators.and_then(|given| given.get(field)).or_else(|| about.get("default")) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            other.to_string()
        }
    }
}
