//! The IoT pipeline judged: what arrived, what was summed up, what was found and what was done about it.
