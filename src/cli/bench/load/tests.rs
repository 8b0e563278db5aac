//! What goes over the wire is what was meant, lap after lap.
