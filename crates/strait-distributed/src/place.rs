use crate::GroupError;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

/// Which process of a group this is, and the address at which the group meets, from the variables that `torchrun` sets.
///
/// ```
/// use strait_distributed::Place;
/// let given = [("MASTER_ADDR", "10.0.0.1"), ("MASTER_PORT", "29500"), ("RANK", "3"), ("WORLD_SIZE", "4")];
/// let variable = |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
/// let place = Place::of(variable)?.expect("a group");
/// assert_eq!((place.rank, place.world, place.address()), (3, 4, "10.0.0.1:29500".to_owned()));
/// assert!(Place::of(|_| None)?.is_none());
/// # Ok::<(), strait_distributed::GroupError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its number among all processes, from 0 (`RANK`).
    pub rank: usize,
    /// How many processes there are (`WORLD_SIZE`).
    pub world: usize,
    /// Its number among those of its machine (`LOCAL_RANK`; `RANK` where that is not given).
    pub local_rank: usize,
    /// The machine of rank 0 (`MASTER_ADDR`).
    pub host: String,
    /// The port at which the group meets there (`MASTER_PORT`).
    pub port: u16,
    /// How long one rank waits for another (`STRAIT_DEADLINE`, in seconds; 300 where it is not given).
    pub deadline: Duration,
    /// The network interface that ranks are reached by (`GLOO_SOCKET_IFNAME`); None: that by which the host is reached.
    pub interface: Option<String>,
    /// Whether the launcher holds the store at the port, and rank 0 does not (`TORCHELASTIC_USE_AGENT_STORE`).
    pub agent: bool,
    /// How often the launcher has restarted the group (`TORCHELASTIC_RESTART_COUNT`).
    pub attempt: u32,
}

impl Place {
    /// How long one rank waits for another by default.
    pub const DEADLINE: Duration = Duration::from_secs(300);
    /// The most processes of a group: each is asked for by its number.
    pub const MOST: usize = 65_536;

    /// From this process's environment; None where it names no group.
    ///
    /// # Errors
    /// `Environment` names a variable that is missing or out of range.
    pub fn of_environment() -> Result<Option<Self>, GroupError> {
        Self::of(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// From variables by name; None where neither a rank nor a world is given.
    ///
    /// # Errors
    /// As `of_environment`.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, GroupError> {
        if variable("RANK").is_none() && variable("WORLD_SIZE").is_none() {
            return Ok(None);
        }
        let refuse = |variable, problem: &str| GroupError::Environment { variable, problem: problem.to_owned() };
        let given =
            |name: &'static str| variable(name).ok_or_else(|| refuse(name, "it is not set, and RANK or WORLD_SIZE is"));
        let number = |name: &'static str, text: &str| {
            text.parse::<u32>().map_err(|_| refuse(name, &format!("`{text}` is no whole number")))
        };
        let count = |name: &'static str| number(name, &given(name)?).map(|count| count as usize);
        let (rank, world) = (count("RANK")?, count("WORLD_SIZE")?);
        if world > Self::MOST {
            return Err(refuse("WORLD_SIZE", &format!("it is {world}, and must be at most {}", Self::MOST)));
        }
        if rank >= world {
            return Err(refuse("RANK", &format!("it is {rank}, and must be below WORLD_SIZE, which is {world}")));
        }
        let port = given("MASTER_PORT")?;
        // 0 asks the system for any, which no other rank would find.
        let port = match port.parse() {
            Ok(port @ 1..) => port,
            _ => return Err(refuse("MASTER_PORT", &format!("`{port}` is no port"))),
        };
        let deadline = match variable("STRAIT_DEADLINE") {
            None => Self::DEADLINE,
            Some(text) => match text.parse::<f64>() {
                Ok(seconds) if (0.1..=1e6).contains(&seconds) => Duration::from_secs_f64(seconds),
                _ => {
                    return Err(refuse(
                        "STRAIT_DEADLINE",
                        &format!("`{text}` is no number of seconds from 0.1 to 1e6"),
                    ));
                }
            },
        };
        let optional = |name: &'static str| variable(name).map(|text| number(name, &text)).transpose();
        Ok(Some(Self {
            rank,
            world,
            local_rank: optional("LOCAL_RANK")?.map_or(rank, |rank| rank as usize),
            host: given("MASTER_ADDR")?,
            port,
            deadline,
            interface: variable("GLOO_SOCKET_IFNAME"),
            agent: variable("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            attempt: optional("TORCHELASTIC_RESTART_COUNT")?.unwrap_or(0),
        }))
    }

    /// Where the group meets: `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What the store of the group keeps of a rank under a name.
    pub(crate) fn key(&self, name: &str, rank: usize) -> String {
        format!("strait/{}/{name}/{rank}", self.attempt)
    }

    /// Where it keeps why a rank has left.
    pub(crate) fn left(&self, rank: usize) -> String {
        self.key("left", rank)
    }

    /// The address by which this process reaches the host, and is reached itself. Nothing is sent for it.
    ///
    /// # Errors
    /// `Unreachable` where the host has no address, or there is no way to it.
    pub fn own_address(&self) -> Result<std::net::IpAddr, GroupError> {
        let fail = |problem: String| GroupError::Unreachable { address: self.address(), problem };
        let mut found = (self.host.as_str(), self.port).to_socket_addrs().map_err(|error| fail(error.to_string()))?;
        let to = found.next().ok_or_else(|| fail("no such host".into()))?;
        let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let own = UdpSocket::bind(any).and_then(|socket| socket.connect(to).and_then(|()| socket.local_addr()));
        Ok(own.map_err(|error| fail(error.to_string()))?.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[(&str, &str)]) -> Result<Option<Place>, GroupError> {
        Place::of(|name| given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    const WHOLE: [(&str, &str); 4] =
        [("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "29500")];

    #[test]
    fn what_torchrun_sets_is_a_place() {
        let place = of(&WHOLE).unwrap().unwrap();
        assert_eq!((place.rank, place.world, place.local_rank, place.port), (1, 2, 1, 29500));
        assert_eq!((place.deadline, place.agent, place.attempt), (Place::DEADLINE, false, 0));
        let more = [("LOCAL_RANK", "0"), ("STRAIT_DEADLINE", "2.5"), ("TORCHELASTIC_USE_AGENT_STORE", "True")];
        let place = of(&[&WHOLE[..], &more].concat()).unwrap().unwrap();
        assert_eq!((place.local_rank, place.deadline, place.agent), (0, Duration::from_millis(2500), true));
        assert!(place.own_address().unwrap().is_loopback());
    }

    #[test]
    fn a_variable_that_is_missing_or_out_of_range_is_named() {
        for missing in WHOLE.map(|(name, _)| name) {
            let rest: Vec<_> = WHOLE.into_iter().filter(|(name, _)| *name != missing).collect();
            let said = of(&rest).unwrap_err().to_string();
            assert!(said.starts_with(&format!("{missing}: it is not set")), "{said}");
        }
        for (name, value) in [
            ("RANK", "2"),
            ("RANK", "-1"),
            ("WORLD_SIZE", "two"),
            ("WORLD_SIZE", "99999999"),
            ("MASTER_PORT", "70000"),
            ("MASTER_PORT", "0"),
            ("STRAIT_DEADLINE", "0"),
            ("STRAIT_DEADLINE", "soon"),
            ("LOCAL_RANK", "x"),
        ] {
            let rest = WHOLE.into_iter().filter(|(key, _)| *key != name).chain([(name, value)]);
            let said = of(&rest.collect::<Vec<_>>()).unwrap_err().to_string();
            assert!(said.starts_with(&format!("{name}: ")), "{said}");
        }
    }
}
