// Runs a body's requests and answers it, streamed (server-sent events) or whole.
#pragma once
#include <memory>

#include "runtime/coordinator/http/api_request.h"
#include "runtime/coordinator/http/http_server.h"
#include "runtime/coordinator/http/reply_builder.h"
#include "runtime/coordinator/request_door.h"

namespace shoal::http {

// Blocks until a whole reply is complete; a streamed one runs in HttpReply::stream. The door must
// outlive both.
HttpReply reply_with_generation(coordinator::RequestDoor& door,
                                ApiRequest request,
                                std::unique_ptr<ReplyBuilder> builder,
                                Peer& peer);

}  // namespace shoal::http
