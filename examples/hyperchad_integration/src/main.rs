//! Counts its starts: `cargo run -- state.db`, several times.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("name a file for the state")?;
    let store = hyperchad_integration::open(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let starts = runtime.block_on(async {
        let starts = store.get::<u64>("starts").await?.unwrap_or_default() + 1;
        store.set("starts", &starts).await?;
        Ok::<u64, hyperchad_state::Error>(starts)
    })?;
    println!("start {starts}");
    Ok(())
}
