//! The server that a command is for, where that is not the one of a store on this machine.

use std::path::PathBuf;

use clap::Args;
use landlord_api::BearerToken;
use landlord_client::{Client, Trust};

use super::built_with::GLOBAL;
use super::failure::{Failure, with_causes};

/// The variable with the token itself.
const TOKEN: &str = "LANDLORD_TOKEN";

#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The server to ask, such as https://compute.example.com:8443, for the holder of a token. The token comes from
    /// --token-file, or from the variable LANDLORD_TOKEN.
    #[arg(
        long,
        global = true,
        env = "LANDLORD_SERVER",
        hide_env_values = true,
        help_heading = GLOBAL,
        value_name = "URL"
    )]
    server: Option<String>,
    /// The file with the token.
    #[arg(
        long,
        global = true,
        env = "LANDLORD_TOKEN_FILE",
        hide_env_values = true,
        help_heading = GLOBAL,
        value_name = "FILE"
    )]
    token_file: Option<PathBuf>,
    /// The authorities that may have signed the server's certificate, as PEM; without it, those that this system trusts.
    #[arg(
        long,
        global = true,
        env = "LANDLORD_CA",
        hide_env_values = true,
        help_heading = GLOBAL,
        value_name = "FILE"
    )]
    ca: Option<PathBuf>,
}

impl Remote {
    /// A client of the server, if there is to be one.
    pub(crate) fn client(&self) -> Result<Option<Client>, Failure> {
        let Some(url) = &self.server else { return Ok(None) };
        let trust = self.ca.clone().map_or(Trust::System, Trust::Authorities);
        let client = Client::remote(url, &self.token()?, &trust);
        client.map(Some).map_err(|error| Failure::Usage(with_causes(&error)))
    }

    fn token(&self) -> Result<BearerToken, Failure> {
        let text = match (&self.token_file, std::env::var(TOKEN)) {
            (Some(file), _) => std::fs::read_to_string(file)
                .map_err(|source| Failure::File { file: file.display().to_string(), source })?,
            (None, Ok(token)) => token,
            (None, Err(_)) => {
                let message = format!(
                    "--server needs a token: give its file with --token-file, or the token itself in {TOKEN}; \
                     `token create` on the server's machine makes one"
                );
                return Err(Failure::Usage(message));
            }
        };
        Ok(BearerToken::new(text.trim()))
    }
}
