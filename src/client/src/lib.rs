//! One client, two transports: how every part of the control plane that is no server talks to it.
//!
//! ```text
//! transport   a kube client over the stack of this process, or over mutual TLS
//! informer    list and watch of one kind into a shared, always current store
//! queue       keys to look at: each once, one at a time, later after a failure
//! ```
//!
//! A controller is an [`Informer`] or two that feed a [`Queue`], and a function from a key to what
//! remains to be done.

mod informer;
mod queue;
mod transport;

pub use informer::{Change, Informer, Kept, Key};
pub use queue::{Backoff, Next, Queue, QueueKey};
pub use transport::{ConnectError, in_process, kubeconfig, mutual_tls};
