//! GLUE's metrics.
