#include "runtime/coordinator/cache_to_proto.h"

namespace shoal::coordinator {

void add_cache(const ClusterStatus& status, v1::Load& load) {
  load.set_paused(status.paused);
  const CacheStatus& cache = status.cache;
  v1::PrefixCacheLoad& message = *load.mutable_prefix_cache();
  message.set_on(cache.on);
  message.set_hits(cache.hits);
  message.set_hit_tokens(cache.hit_tokens);
  message.set_evictions(cache.evictions);
  message.set_bytes(cache.bytes);
  message.set_texts(cache.texts);
  message.set_blocks(cache.blocks);
  message.set_pauses(cache.pauses);
  message.set_recomputed_tokens(cache.recomputed_tokens);
  for (const auto& [why, count] : cache.ends) (*message.mutable_ends())[why] = count;
}

}  // namespace shoal::coordinator
