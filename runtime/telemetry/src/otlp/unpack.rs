use std::{borrow::Cow, io::Read};

use flate2::read::MultiGzDecoder;

use super::{Refused, body::Packing};

/// The body as it was before it was packed. Stops one byte over the bound: a bomb costs no more than an honest body.
pub(super) fn unpack(packing: Packing, body: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, Refused> {
    match packing {
        Packing::Plain => Ok(Cow::Borrowed(body)),
        Packing::Gzip => gunzip(body, bytes_max).map(Cow::Owned),
    }
}

fn gunzip(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refused> {
    let mut plain = Vec::new();
    let bound = (bytes_max as u64).saturating_add(1);
    MultiGzDecoder::new(body).take(bound).read_to_end(&mut plain).map_err(|_| Refused::unpackable())?;
    if plain.len() > bytes_max { Err(Refused::too_large(bytes_max)) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_fits_is_unpacked_and_one_byte_more_is_not() {
        let unpacked = unpack(Packing::Gzip, &gzip(&[7; 100]), 100).unwrap().into_owned();
        assert_eq!(unpacked, [7; 100]);
        assert!(unpack(Packing::Gzip, &gzip(&[7; 101]), 100).is_err());
        // Several members one after the other are one body, and share its bound.
        let two = [gzip(&[7; 60]), gzip(&[7; 60])].concat();
        assert!(unpack(Packing::Gzip, &two, 100).is_err());
        assert!(unpack(Packing::Gzip, b"not gzip", 100).is_err());
        let whole = gzip(&[7; 100]);
        assert!(unpack(Packing::Gzip, &whole[..whole.len() - 1], 100).is_err());
    }
}
