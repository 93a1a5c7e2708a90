//! Calls that fail on purpose: counted, so that a test can make each of them fail in turn.

use std::io;

/// What was asked of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Call {
    Open,
    Create,
    CreateDir,
    List,
    Rename,
    Remove,
    SyncDir,
    Lock,
    Len,
    Read,
    Write,
    Truncate,
    Sync,
    Map,
    Volume,
    Attributes,
    SetAttributes,
}

impl Call {
    /// Whether a power cut during this call can leave another disk than a power cut during the call before. A test
    /// of power cuts needs no other call.
    pub fn changes(self) -> bool {
        !matches!(
            self,
            Self::Open
                | Self::List
                | Self::Len
                | Self::Read
                | Self::Map
                | Self::Volume
                | Self::Attributes
                | Self::SetAttributes
        )
    }

    /// Whether a full disk can refuse it. Syncs can: blocks may be found as late as that.
    pub fn needs_space(self) -> bool {
        self.changes() && !matches!(self, Self::Remove | Self::Truncate)
    }

    /// Whether it promises durability.
    pub fn is_sync(self) -> bool {
        matches!(self, Self::Sync | Self::SyncDir)
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// EIO.
    Io,
    /// ENOSPC. Calls that need no space go on as before; the fault waits for one that does.
    Full,
    /// Any other.
    Kind(io::ErrorKind),
}

impl Failure {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::from_raw_os_error(if cfg!(windows) { 1117 } else { 5 }),
            Self::Full => io::Error::from_raw_os_error(if cfg!(windows) { 112 } else { 28 }),
            Self::Kind(kind) => kind.into(),
        }
    }

    fn strikes(self, call: Call) -> bool {
        self != Self::Full || call.needs_space()
    }
}

/// What happens at the call that it is armed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This call and all later ones fail. Whether anything of this call is on the disk, the crash image decides.
    PowerCut,
    /// This call fails without effect; later ones work.
    Once(Failure),
    /// This call fails; when it is a write, some of its bytes were written. Later ones work.
    Partly(Failure),
    /// This call and all later ones fail without effect.
    Lasting(Failure),
}

/// What a failed `sync` leaves of the bytes that it should have made durable. In each case they stay readable until
/// the power goes, and no later sync writes them again: only rewriting does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lost {
    /// Nothing reaches the disk.
    #[default]
    Everything,
    /// Some sectors reach the disk, others never.
    Some,
    /// All reach the disk, although the call says otherwise.
    Nothing,
}

/// What the disk does about a call.
#[derive(Debug)]
pub(super) enum Verdict {
    Go,
    /// The power goes while the call is under way.
    Cut,
    Fail {
        error: io::Error,
        partly: bool,
    },
}

/// Counts the calls, and strikes one.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) calls: u64,
    pub(super) trace: Vec<Call>,
    pub(super) armed: Option<(u64, Fault)>,
    pub(super) fired: bool,
    pub(super) is_off: bool,
}

impl Faults {
    pub(super) fn begin(&mut self, call: Call) -> Verdict {
        if self.is_off {
            return Verdict::Fail { error: power_is_off(), partly: false };
        }
        let number = self.calls;
        self.calls += 1;
        self.trace.push(call);
        let Some((at, fault)) = self.armed else { return Verdict::Go };
        if number < at {
            return Verdict::Go;
        }
        let (failure, partly) = match fault {
            Fault::PowerCut => {
                (self.is_off, self.fired) = (true, true);
                return Verdict::Cut;
            }
            Fault::Once(failure) | Fault::Lasting(failure) => (failure, false),
            Fault::Partly(failure) => (failure, true),
        };
        if !failure.strikes(call) {
            return Verdict::Go;
        }
        self.fired = true;
        if !matches!(fault, Fault::Lasting(_)) {
            self.armed = None;
        }
        Verdict::Fail { error: failure.error(), partly }
    }
}

pub(super) fn power_is_off() -> io::Error {
    io::Error::other("the power of the simulated disk is off")
}
