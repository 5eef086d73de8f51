//! Calls to a KMS plugin: gRPC over its unix socket, each within the plugin's timeout.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::rand;
use http::Uri;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::envelope::Source;
use super::proto::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, StatusRequest, StatusResponse,
};

/// No message of a plugin is larger: the largest holds 32 KiB of annotations.
const MESSAGE_BYTES: usize = 128 << 10;

/// One plugin.
pub(super) struct Plugin {
    socket: PathBuf,
    timeout: Duration,
    channel: OnceLock<Channel>,
}

impl Plugin {
    pub(super) fn new(socket: PathBuf, timeout: Duration) -> Self {
        Self { socket, timeout, channel: OnceLock::new() }
    }

    pub(super) async fn status(&self) -> Result<StatusResponse, Status> {
        self.call("/v2.KeyManagementService/Status", StatusRequest {}).await
    }

    pub(super) async fn encrypt(&self, plaintext: &[u8]) -> Result<EncryptResponse, Status> {
        let request = EncryptRequest { plaintext: plaintext.to_vec(), uid: uid()? };
        self.call("/v2.KeyManagementService/Encrypt", request).await
    }

    pub(super) async fn decrypt(&self, source: &Source) -> Result<Vec<u8>, Status> {
        let request = DecryptRequest {
            ciphertext: source.sealed.clone(),
            uid: uid()?,
            key_id: source.key_id.clone(),
            annotations: source.annotations.clone(),
        };
        let answer: DecryptResponse = self.call("/v2.KeyManagementService/Decrypt", request).await?;
        Ok(answer.plaintext)
    }

    async fn call<Q, A>(&self, method: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let channel = self.channel.get_or_init(|| connect(self.socket.clone())).clone();
        let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let answer = tokio::time::timeout(self.timeout, async {
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let path = PathAndQuery::from_static(method);
            grpc.unary(tonic::Request::new(request), path, ProstCodec::<Q, A>::default()).await
        });
        let overdue = || Status::deadline_exceeded(format!("no answer in {:?}", self.timeout));
        answer.await.map_err(|_| overdue())?.map(tonic::Response::into_inner)
    }
}

/// A connection that is made at the first call, and again whenever it broke.
fn connect(socket: PathBuf) -> Channel {
    let connector = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { open(&socket).await.map(TokioIo::new) }
    });
    // The name is what a plugin sees as the authority; it is not looked up.
    Endpoint::from_static("http://localhost").connect_with_connector_lazy(connector)
}

/// A path that begins with `@` names a socket outside the file system.
async fn open(socket: &Path) -> std::io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    let Some(name) = socket.as_os_str().as_bytes().strip_prefix(b"@") else {
        return UnixStream::connect(socket).await;
    };
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    let stream = std::os::unix::net::UnixStream::connect_addr(&address)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Names a call in the logs of both sides.
fn uid() -> Result<String, Status> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| Status::internal("the system gives no random numbers"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
