use std::process::{Command, Output};

/// How often another number is tried for one that is taken.
const TRIES_MAX: usize = 20;

/// A network namespace of this machine with two links to the rest of it, one for clients and one for peers, so that the
/// second can be taken down while the first stays. It is gone when this is dropped.
#[derive(Debug)]
pub struct Island {
    name: String,
    /// The addresses are from the block that is set aside for tests of networks, 198.18.0.0/15.
    block: u8,
}

impl Island {
    /// None: the machine does not let us, which takes root and the program `ip`.
    pub fn make() -> Option<Self> {
        (0..TRIES_MAX).find_map(|_| {
            let block = fastrand::u8(..);
            let name = format!("switchyard-{block}");
            // Fails where somebody has that number already.
            ip(&["netns", "add", &name]).then_some(())?;
            // From here on it is taken down by being dropped.
            let island = Self { name, block };
            island.link(Link::Clients).then_some(())?;
            island.link(Link::Peers).then_some(())?;
            let is_usable = ip(&["-n", &island.name, "link", "set", "lo", "up"])
                && ip(&["netns", "exec", &island.name, "ip", "link", "show", "lo"]);
            is_usable.then_some(island)
        })
    }

    /// What runs a program on it: stands before the program.
    pub fn launcher(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).into()
    }

    /// Its address for clients.
    pub(super) fn clients(&self) -> String {
        self.address(Link::Clients, Side::Island)
    }

    /// Its address for peers, and theirs for it.
    pub(super) fn peers(&self) -> (String, String) {
        (self.address(Link::Peers, Side::Island), self.address(Link::Peers, Side::Mainland))
    }

    /// Takes the link between the peers down; clients still get through.
    pub fn cut(&self) {
        self.set_peers("down");
    }

    /// Takes it up again.
    pub fn heal(&self) {
        self.set_peers("up");
    }

    /// At the island's end: the address of the other end must stay one that peers there reach.
    fn set_peers(&self, state: &str) {
        let interface = self.interface(Link::Peers, Side::Island);
        assert!(ip(&["-n", &self.name, "link", "set", &interface, state]), "the link {interface} is not set {state}");
    }

    fn link(&self, link: Link) -> bool {
        let [here, there] = [Side::Mainland, Side::Island].map(|side| self.interface(link, side));
        let [from, to] = [Side::Mainland, Side::Island].map(|side| self.address(link, side) + "/30");
        ip(&["link", "add", &here, "type", "veth", "peer", "name", &there, "netns", &self.name])
            && ip(&["addr", "add", &from, "dev", &here])
            && ip(&["link", "set", &here, "up"])
            && ip(&["-n", &self.name, "addr", "add", &to, "dev", &there])
            && ip(&["-n", &self.name, "link", "set", &there, "up"])
    }

    fn interface(&self, link: Link, side: Side) -> String {
        format!("swy{}{}{}", self.block, link.letter(), side.host())
    }

    fn address(&self, link: Link, side: Side) -> String {
        format!("198.18.{}.{}", self.block, link.first() + side.host())
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        // With one end of it a link is gone, also while a program on the island has not ended yet.
        for link in [Link::Clients, Link::Peers] {
            ip(&["link", "del", &self.interface(link, Side::Mainland)]);
        }
        ip(&["netns", "del", &self.name]);
    }
}

#[derive(Clone, Copy)]
enum Link {
    Clients,
    Peers,
}

impl Link {
    fn letter(self) -> char {
        match self {
            Self::Clients => 'c',
            Self::Peers => 'p',
        }
    }

    /// Where its four addresses begin.
    fn first(self) -> u8 {
        match self {
            Self::Clients => 0,
            Self::Peers => 4,
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Mainland,
    Island,
}

impl Side {
    fn host(self) -> u8 {
        match self {
            Self::Mainland => 1,
            Self::Island => 2,
        }
    }
}

fn ip(arguments: &[&str]) -> bool {
    matches!(Command::new("ip").args(arguments).output(), Ok(Output { status, .. }) if status.success())
}
