//! The whole chain, on what it may meet.
