// What does Java's JSSE do as a client? PORT HOST PROTOCOL CA.pem [STORE.p12 PASSWORD]; run as `java JsseClient.java …`.

import java.io.InputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class JsseClient {
    public static void main(String[] arguments) throws Exception {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        try (InputStream pem = Files.newInputStream(Path.of(arguments[3]))) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);

        KeyManagerFactory keys = KeyManagerFactory.getInstance("NewSunX509");
        KeyStore own = KeyStore.getInstance("PKCS12");
        char[] password = arguments.length > 5 ? arguments[5].toCharArray() : new char[0];
        own.load(arguments.length > 4 ? Files.newInputStream(Path.of(arguments[4])) : null, password);
        keys.init(own, password);

        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        Socket plain = new Socket("127.0.0.1", Integer.parseInt(arguments[0]));
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, arguments[1], 443, true)) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setProtocols(new String[] {arguments[2]});
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            socket.getOutputStream().write("GET /hello HTTP/1.0\r\n\r\n".getBytes());
            System.out.print(new String(socket.getInputStream().readAllBytes()));
        }
    }
}
