use std::sync::Arc;

use switchyard_cache::{Cache, CacheConfig, CacheError, CacheService};
use switchyard_types::{SlotId, StrategyKind};

use super::{Engine, Ground, listen};
use crate::{NodeError, folder::CacheSize};

pub(super) async fn start(ground: &Ground<'_>) -> Result<Engine, NodeError> {
    let Ground { config, host, folder, secret, clients_max, .. } = ground;
    let failed = |source: CacheError| NodeError::Engine { engine: "cache", source: source.into() };
    let size = CacheSize::new(config.cache_budget, config.cache_shards).or_remembered(folder);
    let usual = size.config();
    let connections_max = usual.connections_max.min(*clients_max);
    let cache = CacheConfig { secret: Some(*secret), connections_max, ..usual };
    let cache = Cache::new(host, cache).map_err(failed)?;
    let (listener, address) = listen("RESP", config.resp_listen).await?;
    // Not before: what does not start is nothing to come back to.
    size.remember(folder)?;
    let (slot, figures) = (cache.slot().clone(), cache.clone());
    let service = CacheService::new(cache, listener);
    Ok(Engine {
        name: "cache",
        slots: vec![(SlotId { kind: StrategyKind::Caching, target: String::new() }, Arc::new(slot))],
        listeners: vec![("resp", address)],
        figures: Arc::new(move || figures.figures().list()),
        run: Box::new(|shutdown| Box::pin(async move { service.run(shutdown).await.map_err(Into::into) })),
    })
}
