//! A package of AOTInductor (`.pt2`) as a velocity field. One is made by the Python that STRAIT_PYTHON names, where torch
//! 2.13 is there and a C++ compiler: it holds machine code for the processor at hand.

use crate::common::Place;
use crate::python::{python, say};
use strait_core::{Error, VelocityField};
use strait_flows::strait_autodiff::{Graph, gradient, jvp};
use strait_io::tensors;
use strait_nets::{AotInductor, TorchScript};
use strait_ode::{Options, RungeKutta, TimeGrid, solve};
use tch::{Device, Kind, Tensor};

/// Writes velocity.pt2; fixed.pt2, for five samples; sum.pt2, whose samples see each other; and what the first makes of
/// some points, with where 20 Euler steps lead.
const MAKE: &str = r#"
import sys
try:
    import torch
except ImportError:
    sys.exit("torch is not installed")
if not torch.__version__.startswith("2.13."):
    sys.exit(f"torch is {torch.__version__} and not 2.13")
import strait
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
class Velocity(torch.nn.Module):
    def __init__(self, out=lambda v: v):
        super().__init__()
        self.net, self.out = net, out
    def forward(self, x, t):
        return self.out(self.net(torch.cat([x, t.unsqueeze(1)], 1)))
x, t, batch = torch.randn(5, 2), torch.rand(5), torch.export.Dim("batch")
def save(name, module, shapes=({0: batch}, {0: batch})):
    exported = torch.export.export(module.eval(), (x, t), dynamic_shapes=shapes)
    torch._inductor.aoti_compile_and_package(exported, package_path=name)
save("velocity.pt2", Velocity())
save("fixed.pt2", Velocity(), None)
save("sum.pt2", Velocity(lambda v: v - v.mean(0)))
with torch.no_grad():
    v, end = Velocity()(x, t), x
    for k in range(20):
        end = end + Velocity()(end, torch.full((5,), k / 20)) / 20
strait.write_tensors("known.safetensors", {"x": x.numpy(), "t": t.numpy(), "v": v.numpy(), "end": end.numpy()})
"#;

fn open(place: &Place, name: &str, event: &[i64], kind: Kind) -> Result<AotInductor, Error> {
    AotInductor::open(&place.path(name), event, kind, Device::Cpu)
}

#[test]
fn a_package_that_pytorch_compiled_is_a_velocity_field() {
    let place = Place::new();
    let Some(mut make) = python(&place) else {
        return say("no .pt2 file is tested: STRAIT_PYTHON names no Python with torch");
    };
    let made = make.args(["-c", MAKE]).output().unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    if !made.status.success() && said.contains("torch is ") {
        return say(&format!("no .pt2 file is tested: {}", said.trim()));
    }
    assert!(made.status.success(), "{said}");
    let known = tensors::read(&place.path("known.safetensors")).unwrap();
    let known = |name: &str| &known.iter().find(|(known, _)| known == name).unwrap().1;
    let field = open(&place, "velocity.pt2", &[2], Kind::Float).unwrap();
    let (x, t, v) = (known("x"), known("t"), known("v"));
    let near = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]) < 1e-5;
    // As many samples as it was exported with, others, one; and samples that lie in memory in another order.
    assert!(near(&field.velocity(x, t).unwrap(), v));
    let many = |x: &Tensor| Tensor::cat(&[x, x, x], 0);
    assert!(near(&field.velocity(&many(x), &many(t)).unwrap(), &many(v)));
    assert!(near(&field.velocity(&x.narrow(0, 3, 1), &t.narrow(0, 3, 1)).unwrap(), &v.narrow(0, 3, 1)));
    let turned = x.tr().contiguous().tr();
    assert!(!turned.is_contiguous() && near(&field.velocity(&turned, t).unwrap(), v));
    let grid = TimeGrid::uniform(20).unwrap();
    let sampled = solve(&field, x, &grid, &mut RungeKutta::euler(), Options::default()).unwrap().x;
    assert!(near(&sampled, known("end")));

    // It has no derivatives, and says so where one is asked for.
    let wanted = x.copy().set_requires_grad(true);
    let line = field.velocity(&wanted, t).unwrap_err().to_string();
    assert!(line.contains("velocity.pt2") && line.contains("TorchScript"), "{line}");
    assert!(tch::no_grad(|| field.velocity(&wanted, t)).is_ok());
    let tangent = jvp(|x| Ok::<_, Error>(vec![field.velocity(&x[0], t)?]), &[x.copy()], &[x.ones_like()]);
    assert!(tangent.unwrap_err().to_string().contains("velocity.pt2"));
    let y = wanted.square().sum(Kind::Float);
    assert!(gradient(&y, &[wanted], Graph::Free).is_ok(), "what comes after is as before");

    for (name, event, kind, said) in [
        ("fixed.pt2", &[2i64][..], Kind::Float, "expected: 5, but got: 3"),
        ("sum.pt2", &[2], Kind::Float, "changes by"),
        ("velocity.pt2", &[2], Kind::Double, "unmatched dtype"),
        ("velocity.pt2", &[3], Kind::Float, "expected: 2, but got: 3"),
    ] {
        let line = open(&place, name, event, kind).unwrap_err().to_string();
        assert!(line.contains(said) && line.contains(name) && !line.contains('\n'), "{line}");
    }
    let line = TorchScript::open(&place.path("velocity.pt2"), &[2], Kind::Float, Device::Cpu).unwrap_err().to_string();
    assert!(line.contains("open it by AotInductor") && !line.contains('\n'), "{line}");
}

#[test]
fn a_file_that_is_no_package_is_refused_by_name() {
    let place = Place::new();
    place.write("text.pt2", "no archive");
    for name in ["text.pt2", "none.pt2"] {
        let line = open(&place, name, &[2], Kind::Float).unwrap_err().to_string();
        assert!(line.contains(name) && line.contains("aoti_compile_and_package") && !line.contains('\n'), "{line}");
    }
    let line = TorchScript::open(&place.path("text.pt2"), &[2], Kind::Float, Device::Cpu).unwrap_err().to_string();
    assert!(line.contains("open it by AotInductor") && line.contains("text.pt2") && !line.contains('\n'), "{line}");
}
