//! Tokens for those who ask from other machines.

use clap::{Subcommand, ValueEnum};
use landlord_client::api::{MadeToken, NewToken, Role, TenantPattern};
use landlord_compute::machines::id::TenantId;

use super::failure::Failure;
use super::operate::With;
use super::place::{Missing, Place};
use super::screen::{self, Screen};

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token. What proves it is shown once.
    Create {
        /// What to call it: it is listed and revoked by this name.
        #[arg(value_parser = name)]
        name: String,
        /// What its holder may do: look at tenants, or also command them. An operator runs programs.
        #[arg(long, value_enum)]
        role: RoleName,
        /// With which tenants: an id, a beginning such as 'acme-*', or '*' for all. Several, with commas or given again.
        #[arg(long, required = true, value_delimiter = ',', value_name = "PATTERN")]
        tenants: Vec<TenantPattern>,
    },
    /// List the tokens, without what proves them.
    List,
    /// Make a token worth nothing, at once.
    Revoke {
        #[arg(value_parser = name)]
        name: String,
    },
}

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    Viewer,
    Operator,
}

fn name(text: &str) -> Result<String, String> {
    TenantId::new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

pub(crate) async fn token(screen: &Screen, place: &Place, what: Token) -> Result<(), Failure> {
    match what {
        Token::List => {
            let tokens = place.look().await?.tokens().await?;
            screen.show(&tokens, || {
                let rows = tokens.tokens.iter().map(|token| {
                    let tenants: Vec<String> = token.tenants.iter().map(TenantPattern::to_string).collect();
                    let created = token.created_at.strftime("%Y-%m-%d").to_string();
                    [token.name.clone(), token.role.to_string(), created, tenants.join(",")]
                });
                screen::list(["NAME", "ROLE", "CREATED", "TENANTS"], rows)
            })
        }
        Token::Create { name, role, tenants } => {
            let role = match role {
                RoleName::Viewer => Role::Viewer,
                RoleName::Operator => Role::Operator,
            };
            let new = NewToken { name, role, tenants };
            let with = With::engine(screen, place, Missing::Create).await?;
            let made = with.client.create_token(&new).await.map_err(Failure::from);
            let made = with.end(made).await?;
            let MadeToken { token, secret } = &made;
            screen.note(&format!("token {} was made; what proves it is shown this once:", token.name));
            screen.show(&made, || secret.reveal().to_owned())
        }
        Token::Revoke { name } => {
            let with = With::engine(screen, place, Missing::Refuse).await?;
            let revoked = with.client.revoke_token(&name).await.map_err(Failure::from);
            with.end(revoked).await?;
            screen.note(&format!("token {name} is worth nothing any more"));
            Ok(())
        }
    }
}
