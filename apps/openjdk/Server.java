// SPDX-License-Identifier: GPL-2.0-only

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.stream.LongStream;

/** An HTTP server: says who it is, and adds numbers up in several threads. */
final class Server {
    private static void answer(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "text/plain");
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private static void sum(HttpExchange exchange) throws IOException {
        String query = exchange.getRequestURI().getQuery();
        if (query == null || !query.matches("to=[0-9]{1,7}")) {
            answer(exchange, 400, "ask for /sum?to=NUMBER\n");
            return;
        }
        long to = Long.parseLong(query.substring(3));
        answer(exchange, 200, LongStream.rangeClosed(1, to).parallel().sum() + "\n");
    }

    public static void main(String[] arguments) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(80), 16);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> answer(exchange, 200,
                "Java " + System.getProperty("java.version") + " on " + System.getProperty("os.name") + "\n"));
        server.createContext("/sum", Server::sum);
        server.start();
        System.out.println("listening on port 80");
    }
}
