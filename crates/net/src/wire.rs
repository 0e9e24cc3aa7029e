//! Frames on the Unix socket: a length, JSON, and descriptors beside it.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::MAX_FRAME;
use crate::sys;

/// Room for a frame before any of it has arrived.
const FIRST_ROOM: usize = 64 * 1024;

/// Why a frame could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other end closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// A frame is larger than allowed.
    #[error("a message of {0} bytes is larger than allowed ({MAX_FRAME})")]
    TooLarge(usize),
    /// A frame is not what was expected.
    #[error("a message could not be read")]
    Json(#[from] serde_json::Error),
}

/// Sends a value and descriptors.
pub(crate) fn send<T: Serialize>(
    stream: &UnixStream,
    value: &T,
    fds: &[BorrowedFd<'_>],
) -> Result<(), WireError> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, value)?;
    let length = frame.len() - 4;
    let header = u32::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_FRAME)
        .ok_or(WireError::TooLarge(length))?;
    for (place, byte) in frame.iter_mut().zip(header.to_le_bytes()) {
        *place = byte;
    }
    let mut rest = frame.as_slice();
    let mut fds = fds;
    while !rest.is_empty() {
        match sys::send_with_fds(stream.as_fd(), rest, fds) {
            Ok(count) => {
                rest = rest.get(count..).unwrap_or_default();
                fds = &[];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Receives a value and the descriptors that came with it.
pub(crate) fn receive<T: DeserializeOwned>(
    stream: &UnixStream,
) -> Result<(T, Vec<OwnedFd>), WireError> {
    let mut fds = Vec::new();
    let mut header = [0u8; 4];
    let mut filled = 0;
    while let Some(room) = header.get_mut(filled..).filter(|room| !room.is_empty()) {
        match sys::receive_with_fds(stream.as_fd(), room, &mut fds) {
            Ok(0) => return Err(WireError::Closed),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = u32::from_le_bytes(header);
    if length > MAX_FRAME {
        return Err(WireError::TooLarge(length as usize));
    }
    // Grows with what really arrives: a false length alone costs little memory.
    let mut frame = Vec::with_capacity(FIRST_ROOM.min(length as usize));
    let mut limited = stream.take(u64::from(length));
    if limited.read_to_end(&mut frame)? < length as usize {
        return Err(WireError::Closed);
    }
    Ok((serde_json::from_slice(&frame)?, fds))
}

/// The agent's socket inside an open directory, as a path of bounded length.
pub(crate) fn short_path(directory: &std::fs::File) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!(
        "/proc/self/fd/{}/{}",
        directory.as_raw_fd(),
        crate::protocol::SOCKET
    )
    .into()
}
