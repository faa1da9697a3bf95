// StepPlan and StepResult as bytes; part of the message codec (messages.h).
#pragma once
#include "runtime/control/wire.h"
#include "runtime/plan/step_plan.h"
#include "sharding/shard_plan.h"

namespace shoal::control {

void put(ByteWriter& out, const plan::StepPlan& plan);
void put(ByteWriter& out, const plan::StepResult& result);
void put(ByteWriter& out, const sharding::ShardPlan& plan);

plan::StepPlan get_step_plan(ByteReader& in);
plan::StepResult get_step_result(ByteReader& in);
sharding::ShardPlan get_shard_plan(ByteReader& in);

}  // namespace shoal::control
