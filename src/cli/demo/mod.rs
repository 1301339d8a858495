//! demo
use super::args::DemoTenant;
use super::exit::Failure;
use super::screen::Screen;
pub(crate) async fn demo(_screen: &Screen) -> Result<(), Failure> {
    Err(Failure::Demo)
}
pub(crate) async fn tenant(_args: DemoTenant) -> Result<(), Failure> {
    Err(Failure::Demo)
}
