//! Whole lives of tenants, while calls are throttled, refused, cut off and reset.
