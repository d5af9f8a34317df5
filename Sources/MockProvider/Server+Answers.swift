import Synchronization

extension Server {
    /// Answers a request that was read completely.
    func answer(_ request: Request, on connection: Connection) {
        let head = request.head
        let path = head.path
        let isRead = head.method == "GET"
        let isWrite = head.method == "POST"
        if path.hasSuffix("/chat/completions") {
            isWrite ? answerChat(request, on: connection) : refuseMethod(head, allowed: "POST", on: connection)
        } else if recording != nil, isWrite, let endpoint = Endpoint(path: path) {
            answerRecorded(request, at: endpoint, on: connection)
        } else if path == "/" || path == "/_mock" || path == "/_mock/" {
            isRead ? sendPage(head, on: connection) : refuseMethod(head, allowed: "GET", on: connection)
        } else if path == "/_mock/counts" {
            isRead
                ? send(countsBody(head.query), head, on: connection)
                : refuseMethod(head, allowed: "GET", on: connection)
        } else if path == "/_mock/reset" {
            guard isWrite else { return refuseMethod(head, allowed: "POST", on: connection) }
            playbook.withLock { $0.reset() }
            send(Array("{\"reset\":true}".utf8), head, on: connection)
        } else if path == "/_mock/health" {
            send(Array("{\"status\":\"ok\"}".utf8), head, on: connection)
        } else if path.hasSuffix("/models") {
            isRead ? send(modelsBody(), head, on: connection) : refuseMethod(head, allowed: "GET", on: connection)
        } else {
            let message = "Unknown request URL: \(head.method) \(path). Please check the URL for typos."
            send(ErrorBody.refusal(404, message, code: "unknown_url"), head, on: connection)
        }
    }

    /// Answers bytes that are no acceptable request; the connection ends with it.
    func refuse(status: Int, reason: String, on connection: Connection) {
        let refusal = ErrorBody.refusal(status, "The request could not be read: \(reason).")
        let (body, type) = ErrorBody.content(of: refusal, model: "")
        connection.send(player().response(status: status, body: body, type: type, keepsAlive: false))
    }

    func player() -> Player {
        let date = clock.httpDate()
        return Player(unixSeconds: clock.second, date: date)
    }

    private func send(_ body: [UInt8], _ head: RequestHead, on connection: Connection) {
        connection.send(player().response(status: 200, body: body, keepsAlive: head.keepsAlive))
    }

    func send(_ status: MockStatus, _ head: RequestHead, on connection: Connection) {
        let (body, type) = ErrorBody.content(of: status, model: "")
        let response = player().response(
            status: status.code,
            headers: status.headers,
            body: body,
            type: type,
            keepsAlive: head.keepsAlive
        )
        connection.send(response)
    }

    /// Answers with the page for people.
    private func sendPage(_ head: RequestHead, on connection: Connection) {
        let response = player().response(
            status: 200,
            headers: StatusPage.headers,
            body: StatusPage.html(statusView()),
            type: "text/html; charset=utf-8",
            keepsAlive: head.keepsAlive
        )
        connection.send(response)
    }

    private func refuseMethod(_ head: RequestHead, allowed: String, on connection: Connection) {
        let message = "Not allowed to \(head.method) on \(head.path)."
        var refusal = ErrorBody.refusal(405, message, code: "method_not_supported")
        refusal.headers = [MockHeader("allow", allowed)]
        send(refusal, head, on: connection)
    }
}
