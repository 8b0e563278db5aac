//! A destination in an object store that speaks as Amazon S3 does.

use std::{
    io::{self, Read},
    sync::Once,
};

use bytes::Bytes;
use object_store::{
    Error, ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use tokio::runtime::Runtime;

use super::{
    destination::{Destination, DestinationError, Object, Summed},
    manifest::Part,
};

/// What is larger is sent in parts of this size, two at a time. An object may have 10,000 parts.
const PIECE: usize = 16 << 20;
const AT_ONCE: usize = 2;

/// A bucket, or what is under a prefix in one. An object is there once the store has said so; what was sent of one that was not finished is not.
pub(super) struct Bucket {
    name: String,
    prefix: Path,
    store: AmazonS3,
    runtime: Runtime,
}

impl Bucket {
    /// `place` is bucket and prefix. Keys, region and endpoint come from the environment, under the names that AWS gives them.
    pub(super) fn open(name: &str, place: &str) -> Result<Self, DestinationError> {
        static PROVIDER: Once = Once::new();
        // An error says that the process has one already.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(DestinationError::at("use", name))?;
        let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        let store = builder.build().map_err(DestinationError::at("use", name))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(DestinationError::at("start a runtime for", name))?;
        Ok(Self { name: name.trim_end_matches('/').to_owned(), prefix, store, runtime })
    }

    fn path(&self, object: &str) -> Path {
        object.split('/').filter(|part| !part.is_empty()).fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn called(&self, object: &str) -> String {
        format!("{}/{object}", self.name)
    }

    async fn put_small(&self, part: &Part, content: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut content = Summed::new(content);
        content.read_to_end(&mut bytes)?;
        content.is(part).map_err(io::Error::other)?;
        self.store.put(&self.path(&part.object), PutPayload::from(bytes)).await?;
        Ok(())
    }

    async fn put_large(&self, part: &Part, content: &mut dyn Read) -> io::Result<()> {
        let upload = self.store.put_multipart(&self.path(&part.object)).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE);
        let sent = send(&mut upload, part, content).await;
        match sent {
            Ok(()) => {
                upload.finish().await?;
                Ok(())
            }
            Err(error) => {
                // The store forgets what it was sent, now or by a rule of its own; the first error is the one to tell.
                upload.abort().await.unwrap_or_default();
                Err(error)
            }
        }
    }
}

async fn send(upload: &mut WriteMultipart, part: &Part, content: &mut dyn Read) -> io::Result<()> {
    let mut content = Summed::new(content);
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = (&mut content).take(PIECE as u64).read_to_end(&mut piece)?;
        if read == 0 {
            return content.is(part).map_err(io::Error::other);
        }
        upload.wait_for_capacity(AT_ONCE).await?;
        upload.put(Bytes::from(piece));
    }
}

impl Destination for Bucket {
    fn name(&self) -> &str {
        &self.name
    }

    fn put(&self, part: &Part, content: &mut dyn Read) -> Result<(), DestinationError> {
        let put = self.runtime.block_on(async {
            if part.size > PIECE as u64 {
                self.put_large(part, content).await
            } else {
                self.put_small(part, content).await
            }
        });
        put.map_err(DestinationError::at("put", self.called(&part.object)))
    }

    fn get(&self, object: &str) -> Result<Option<Box<dyn Read + '_>>, DestinationError> {
        match self.runtime.block_on(self.store.head(&self.path(object))) {
            Ok(about) => Ok(Some(Box::new(Remote {
                bucket: self,
                path: about.location,
                size: about.size,
                at: 0,
                piece: Bytes::new(),
            }))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(DestinationError::at("open", self.called(object))(error)),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Object>, DestinationError> {
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(&self.path(folder))));
        let listed = listed.map_err(DestinationError::at("list", self.called(folder)))?;
        let objects = listed.objects.into_iter().filter_map(|about| {
            let name = format!("{folder}{}", about.location.filename()?);
            Some(Object { name, size: about.size, modified: about.last_modified.timestamp_micros() })
        });
        Ok(objects.collect())
    }

    fn remove(&self, object: &str) -> Result<(), DestinationError> {
        match self.runtime.block_on(self.store.delete(&self.path(object))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(DestinationError::at("remove", self.called(object))(error)),
        }
    }
}

/// An object that is read piece by piece.
struct Remote<'a> {
    bucket: &'a Bucket,
    path: Path,
    size: u64,
    at: u64,
    piece: Bytes,
}

impl Read for Remote<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.at < self.size {
            let end = self.size.min(self.at + PIECE as u64);
            let range = self.bucket.store.get_range(&self.path, self.at..end);
            self.piece = self.bucket.runtime.block_on(range)?;
            self.at = end;
        }
        let now = self.piece.split_to(self.piece.len().min(bytes.len()));
        let (filled, _) = bytes.split_at_mut(now.len());
        filled.copy_from_slice(&now);
        Ok(now.len())
    }
}
