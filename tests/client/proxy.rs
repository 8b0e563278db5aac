//! Something between client and server that can break.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Takes connections on an address that stays, and leads them to one that may change.
pub(crate) struct Proxy {
    pub(crate) address: String,
    way: Arc<Mutex<Option<SocketAddr>>>,
    /// Each time this changes all connections are cut.
    cut: watch::Sender<u64>,
    /// What the server says is thrown away.
    mute: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (way, cut, mute) = (Arc::new(Mutex::new(None)), watch::Sender::new(0), watch::Sender::new(false));
        tokio::spawn(accept(listener, Arc::clone(&way), cut.clone(), mute.clone()));
        Self { address, way, cut, mute }
    }

    /// Leads to this server from now on, `http://host:port`; none: to nowhere. What leads elsewhere is cut.
    pub(crate) fn lead_to(&self, server: Option<&str>) {
        *self.way.lock().unwrap() = server.map(|server| server.trim_start_matches("http://").parse().unwrap());
        self.cut();
    }

    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cut| *cut += 1);
    }

    pub(crate) fn mute(&self, mute: bool) {
        self.mute.send_replace(mute);
    }
}

async fn accept(
    listener: TcpListener,
    way: Arc<Mutex<Option<SocketAddr>>>,
    cut: watch::Sender<u64>,
    mute: watch::Sender<bool>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let Some(server) = *way.lock().unwrap() else { continue };
        let (mut cut, mute) = (cut.subscribe(), mute.subscribe());
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            tokio::select! {
                () = pass(client, server, mute) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn pass(client: TcpStream, server: TcpStream, mute: watch::Receiver<bool>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let there = async { drop(tokio::io::copy(&mut from_client, &mut to_server).await) };
    let back = async {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
            if !*mute.borrow() && to_client.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}
