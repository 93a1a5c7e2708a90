//! `siltstone dashboard`: the figures of `status --check` as a page for a browser on this machine.
//!
//! ```text
//! browser --> a thread a connection: guard --> this thread: gather, draw --> back
//! ```
//!
//! The page shows what is on the disk and changes nothing. It listens to this machine alone unless told otherwise, because
//! it asks nobody who they are. Every answer forbids the browser to fetch or run anything that did not come from here, and
//! a request that was not addressed to this machine is refused: a page from elsewhere whose name was made to point here
//! learns nothing.

mod gathered;
mod guard;
mod page;
mod respond;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use oxhttp::Server;
use oxhttp::model::{Body, Request, StatusCode};

use super::context::Context;
use crate::exit::{CliError, Exit};
use gathered::Gathered;
use guard::Guard;
use respond::{Answer, Content, respond};

#[derive(Debug, Args)]
pub(crate) struct DashboardArgs {
    /// Port to listen at; 0 takes one that is free
    #[arg(long, value_name = "N", default_value_t = 8899)]
    pub(crate) port: u16,
    /// Address to listen at; one that other machines can reach needs --allow-remote
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) address: IpAddr,
    /// Let other machines see the page, and with it names of collections and documents; nobody is asked for a password
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// Answer to this host name as well; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
}

/// How long a connection may be silent.
const TIMEOUT: Duration = Duration::from_secs(30);
const MOST_CONNECTIONS: usize = 64;
/// How often this thread looks whether it was asked to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a connection asks for, and where it waits for it.
struct Asked {
    content: Content,
    reply: Sender<Answer>,
}

/// Serves until SIGINT or SIGTERM, which is how it is meant to end: with 0.
pub(crate) fn run(args: &DashboardArgs, context: &Context) -> Result<Exit, CliError> {
    if !args.address.is_loopback() {
        if !args.allow_remote {
            return Err(CliError::usage(
                format!("{} can be reached from other machines", args.address),
                "listen at 127.0.0.1, or give --allow-remote if everybody there may see the page",
            ));
        }
        context.notices.warning(&format!(
            "whoever reaches {} sees this page, without a password and without encryption",
            args.address
        ));
    }
    // A store that is not there is told now and not in the browser.
    context.open_store()?;
    let address = free_address(args)?;
    let guard = Guard::new(address, &args.host);
    let (sender, receiver) = channel();
    let sender = Mutex::new(sender);
    let server = Server::new(move |request: &mut Request<Body>| serve(request, &guard, &sender).response())
        .bind(address)
        .with_global_timeout(TIMEOUT)
        .with_max_concurrent_connections(MOST_CONNECTIONS);
    // Its threads end with the process.
    let _server = server.spawn().map_err(|error| cannot_listen(address, &error))?;
    let url = format!("http://{address}/");
    match context.json {
        true => context.print_json(&serde_json::json!({ "url": url, "process": std::process::id() }))?,
        false => context.output.line(format!("dashboard at {url}"))?,
    }
    context.output.flush()?;
    context.notices.notice("Ctrl-C ends it");
    answer_until_told_to_end(context, &receiver);
    Ok(Exit::Pass)
}

/// The address to listen at; with a port of 0, one at which nobody listens now.
fn free_address(args: &DashboardArgs) -> Result<SocketAddr, CliError> {
    let wanted = SocketAddr::new(args.address, args.port);
    let listener = TcpListener::bind(wanted).map_err(|error| cannot_listen(wanted, &error))?;
    listener.local_addr().map_err(|error| cannot_listen(wanted, &error))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> CliError {
    CliError::failed(
        format!("cannot listen at {address}: {error}"),
        "choose another port with --port, or 0 for one that is free",
    )
}

/// In the thread of a connection: what may not be asked for is refused here.
fn serve(request: &Request<Body>, guard: &Guard, sender: &Mutex<Sender<Asked>>) -> Answer {
    let content = match guard.check(request) {
        Ok(content) => content,
        Err((status, text)) => return Answer::text(status, text),
    };
    let (reply, replies) = channel();
    let sent = sender.lock().unwrap_or_else(PoisonError::into_inner).send(Asked { content, reply });
    let answer = sent.ok().and_then(|()| replies.recv().ok());
    answer.unwrap_or_else(|| Answer::text(StatusCode::SERVICE_UNAVAILABLE, "the dashboard is ending"))
}

fn answer_until_told_to_end(context: &Context, receiver: &Receiver<Asked>) {
    let mut gathered = Gathered::default();
    while !context.cancel.is_cancelled() {
        match receiver.recv_timeout(LOOK_EVERY) {
            // Whoever asked may have gone away meanwhile.
            Ok(asked) => drop(asked.reply.send(respond(context, &mut gathered, asked.content))),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
