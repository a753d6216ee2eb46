//! `POST /api/log_out`

use leptos::prelude::*;

use super::caller::{Caller, Destination};
use super::refused::Refused;
use crate::domain::Next;
use crate::server::flash::Flash;
use crate::server::sessions;

/// Ends the session and clears the access cookie. Signing out twice does no harm.
#[server(endpoint = "log_out")]
pub async fn log_out() -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    if let Some(session) = caller.session()
        && let Err(error) = sessions::sign_out(&caller.state, session).await
    {
        // Nobody is told that they are signed out while the session goes on.
        let back = Flash {
            page: "/dashboard".to_owned(),
            ..Flash::default()
        };
        return Err(caller.refuse(&error.into(), &Next::default(), back));
    }
    Ok(caller.signed_out())
}
