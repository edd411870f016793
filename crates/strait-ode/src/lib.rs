//! ODE steppers, time grids and sampling for velocity fields, with exact counts of evaluations.
